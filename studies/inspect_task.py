"""What can be pruned in a task's model, as plain data."""

from __future__ import annotations

from typing import Any

from ..pruners.cost import CostModel, group_costs
from ..pruners.tree import Group, ModelTree
from ..pruners.tree_cache import task_tree
from .check import check_task
from .source import TaskSource


def inspect_task(source: TaskSource) -> dict[str, Any]:
    """Groups with their costs, and what is excluded; the layout of ``inspect --json``.

    The model is built, not trained: what can be pruned depends on its architecture alone.

    Raises:
        UsageError: the task does not load or its model does not run.
    """
    task = source.load()
    check_task(task)
    tree = task_tree(task, task.build_model().eval(), task.limits)
    return describe(tree)


def describe(tree: ModelTree) -> dict[str, Any]:
    """A tree as ``inspect --json`` prints it."""
    cost = CostModel.of(tree, "channel")
    costs = group_costs(cost, tree.groups)
    return {
        "params": round(cost.cost(cost.widths, "params")),
        "macs": round(cost.cost(cost.widths, "macs")),
        "groups": [group_row(g, costs[g.name]) for g in tree.groups],
        "weights": [{"name": g.name, "stage": g.stage, "units": g.width} for g in tree.weights],
        "excluded": [{"name": e.name, "reason": e.reason} for e in tree.excluded],
    }


def group_row(group: Group, costs: tuple[int, int]) -> dict[str, Any]:
    """One group; what fails verification is excluded, so those listed are verified."""
    params, macs = costs
    return {
        "name": group.name,
        "stage": group.stage,
        "kind": group.kind,
        "units": group.width,
        "params": params,
        "macs": macs,
        "verified": True,
    }
