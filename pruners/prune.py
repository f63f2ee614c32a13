"""From a plan to a smaller model; and pruning in one call, without a search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..copies import copy_model
from ..errors import UsageError, unknown
from ..task import Batch, Inputs
from .allocation import ALLOCATIONS, fit
from .calibration import Calibration, input_statistics
from .cost import BUDGETS, CostModel
from .criteria import CRITERIA
from .dense import Dense, allocation_path
from .depth import without_blocks
from .output_layer import OutputLayer, refit
from .pattern import parse
from .plan import BARE, PruningPlan, Recovery
from .recalibrate import recalibrate
from .reconstruct import reconstruct_cut, reconstruct_masked
from .sequential import reconstruct_sequentially
from .surgery import cut
from .tree import ModelTree, kept_positions
from .tree_cache import find_tree


@dataclass(frozen=True)
class PrunedModel:
    """A smaller model and how it came about.

    Attributes:
        model: an ordinary module, on its own; in eval mode.
        plan: what was kept.
        tree: what could have been pruned.
    """

    model: nn.Module
    plan: PruningPlan
    tree: ModelTree


def apply_plan(dense: Dense, plan: PruningPlan) -> tuple[nn.Module, PruningPlan]:
    """Prune a copy of the dense model and recover it without training.

    Returns:
        The model, and the plan with the units kept.
    """
    if parse(plan.granularity) is None:
        pruned, plan = cut_model(dense, plan)
    else:
        pruned = drop_weights(dense, plan)
        if plan.recovery.reconstruct:
            reconstruct_masked(pruned, dense.model, dense.statistics)
    if plan.recovery.recalibrate and not plan.recovery.sequential:
        recalibrate(pruned, dense.calibration)
    layer = fitted_last(dense, plan)
    if layer is not None:
        refit(pruned, layer, hold_zeros=parse(plan.granularity) is not None)
    return pruned, plan


def fitted_last(dense: Dense, plan: PruningPlan) -> OutputLayer | None:
    """The output layer, if it is to be fitted; where nothing goes it stays as it is."""
    narrows = any(density < 1 for density in plan.density.values())
    return dense.output if plan.recovery.refit and narrows else None


def cut_model(dense: Dense, plan: PruningPlan) -> tuple[nn.Module, PruningPlan]:
    """The dense model without the least salient structures, reconstructed; the plan with units."""
    keep = kept_units(dense, plan)
    pruned = shrink(dense.model, dense.tree, plan.granularity, keep)
    if plan.granularity == "block":
        return pruned, replace(plan, keep=keep)
    sizes = {n: tuple(t.shape) for n, t in dense.model.state_dict().items()}
    kept = kept_positions(dense.tree.groups, sizes, keep)
    if plan.recovery.reconstruct and plan.recovery.sequential:
        last = fitted_last(dense, plan)
        left_alone = () if last is None else (last.use.weight,)
        reconstruct_sequentially(pruned, dense.model, dense.calibration, kept, left_alone)
    elif plan.recovery.reconstruct:
        reconstruct_cut(pruned, dense.model, dense.statistics, kept)
    return pruned, replace(plan, keep=keep)


def shrink(
    model: nn.Module, tree: ModelTree, granularity: str, keep: Mapping[str, Sequence[int]]
) -> nn.Module:
    """A copy of ``model`` with only the units in ``keep``, its weights as they were.

    Raises:
        UsageError: ``keep`` does not fit the tree.
    """
    if granularity != "block":
        return cut(model, tree, keep)
    known = {g.name for g in tree.blocks}
    for name in keep:
        if name not in known:
            raise unknown("block", name, known)
    return without_blocks(model, [name for name, units in keep.items() if not units])


def kept_units(dense: Dense, plan: PruningPlan) -> dict[str, tuple[int, ...]]:
    """The most salient units of every group that the plan narrows, ascending.

    Raises:
        UsageError: the plan names a group that the model does not have.
    """
    ranks = dense.ranks(plan.criterion, plan.granularity, plan.seed)
    keep = {}
    for group, count in counts(dense, plan).items():
        if count < len(ranks[group]):
            keep[group] = tuple(torch.nonzero(ranks[group] < count).flatten().tolist())
    return keep


@torch.no_grad()
def drop_weights(dense: Dense, plan: PruningPlan) -> nn.Module:
    """A copy of the dense model with the least salient weights of every group set to zero."""
    pruned = copy_model(dense.model)
    ranks = dense.ranks(plan.criterion, plan.granularity, plan.seed)
    parameters = dict(pruned.named_parameters())
    tensors = {g.name: g.cuts[0].tensor for g in dense.tree.weights}
    for group, count in counts(dense, plan).items():
        weight = parameters[tensors[group]]
        weight.masked_fill_((ranks[group] >= count).to(weight.device), 0.0)
    return pruned


def counts(dense: Dense, plan: PruningPlan) -> dict[str, int]:
    """Units to keep by group, for the groups that the plan names."""
    cost = CostModel.of(dense.tree, plan.granularity)
    for name in plan.density:
        if name not in cost.names:
            raise unknown("group", name, cost.names)
    widths = zip(cost.names, cost.vector(plan.density).tolist(), strict=True)
    return {name: width for name, width in widths if name in plan.density}


def prune(
    model: nn.Module,
    example_inputs: Inputs,
    density: float | Mapping[str, float] = 0.5,
    *,
    granularity: str = "channel",
    criterion: str = "l1",
    allocation: str = "uniform",
    budget: str = "units",
    calibration: Iterable[Batch | Inputs] | None = None,
    loss: Callable[[Any, Any], Tensor] | None = None,
    tree: ModelTree | None = None,
) -> PrunedModel:
    """Prune a model in one call.

    Args:
        model: trained; it is left as it was.
        example_inputs: what one forward takes, batch of 1 or 2.
        density: share to keep of everything, in (0, 1], or of each group by name.
        granularity: ``"channel"`` removes structures, ``"weight"`` zeroes single weights,
            ``"2:4"`` all but 2 of 4 neighbours, ``"4x1"`` blocks of weights; ``"block"`` leaves
            out whole residual blocks (then take allocation ``"global"``).
        criterion: ranks the units: one of ``CRITERIA``.
        allocation: splits the density over groups: one of ``ALLOCATIONS``.
        budget: what the density counts: ``"units"``, ``"params"`` or ``"macs"`` of the whole model.
        calibration: a few training batches, ``(inputs, targets)`` or inputs alone; with them layers
            are reconstructed, BatchNorm statistics re-estimated and the output layer is fitted to
            what it is left with. Use a few hundred samples.
        loss: ``loss(outputs, targets)`` for the criterion ``"taylor"``.
        tree: what can be pruned, from :func:`hierprune.inspect` with options of its own.

    Raises:
        UsageError: an unknown name, a density out of range, nothing to prune, or a criterion that
            needs calibration batches without any.
    """
    check_choices(
        granularity=granularity, criterion=criterion, allocation=allocation, budget=budget
    )
    batches = tuple(as_batch(b) for b in calibration or ())
    tree = tree or find_tree(model, example_inputs)
    data = Calibration(batches, loss)
    statistics = input_statistics(model, data) if batches else {}
    dense = Dense(copy_model(model).eval(), tree, data, statistics)
    plan = PruningPlan(
        granularity=granularity,
        criterion=criterion,
        allocation=allocation,
        ratio=0.0,
        budget=budget,
        density={},
        recovery=Recovery() if batches else BARE,
    )
    if isinstance(density, Mapping):
        plan = at_densities(dense, plan, density)
    else:
        plan = at_density(dense, plan, density)
    pruned, plan = apply_plan(dense, plan)
    return PrunedModel(pruned, plan, tree)


def at_density(dense: Dense, plan: PruningPlan, density: float) -> PruningPlan:
    """The plan with one global density, split over the groups by its allocation.

    Raises:
        UsageError: the model has no such groups, or the density is out of range.
    """
    groups = dense.tree.units(plan.granularity)
    if not groups:
        reasons = "; ".join(f"{e.name}: {e.reason}" for e in dense.tree.excluded)
        raise UsageError(f"nothing to prune at granularity {plan.granularity!r}: {reasons}")
    cost = CostModel.of(dense.tree, plan.granularity)
    saliency = dense.scores(plan.criterion, plan.granularity, plan.seed)
    path = allocation_path(dense.tree, plan.granularity, cost, plan.allocation, saliency)
    widths = fit(path, cost, density, plan.budget, np.zeros(len(groups)))
    ratio = max(0.0, 1 - cost.share(widths, plan.budget))
    return replace(plan, ratio=ratio, density=cost.densities(widths))


def at_densities(dense: Dense, plan: PruningPlan, density: Mapping[str, float]) -> PruningPlan:
    """The plan with a density for every group that is named, at widths that its units allow.

    Raises:
        UsageError: the model has no such group, or a density is out of range.
    """
    kept = counts(dense, replace(plan, density=density))
    if not kept:
        return plan
    widths = {g.name: g.width for g in dense.units(plan.granularity)}
    found = {name: count / widths[name] for name, count in kept.items()}
    cost = CostModel.of(dense.tree, plan.granularity)
    ratio = max(0.0, 1 - cost.share(cost.vector(found), plan.budget))
    return replace(plan, ratio=ratio, density=found)


def check_choices(**chosen: str) -> None:
    """Raise :class:`UsageError` for a name that is not among the known ones of its kind."""
    known: Mapping[str, Iterable[str]] = {
        "criterion": CRITERIA,
        "allocation": ALLOCATIONS,
        "budget": BUDGETS,
    }
    for kind, name in chosen.items():
        if kind == "granularity":
            parse(name)
        elif name not in known[kind]:
            raise unknown(kind, name, known[kind])


def as_batch(batch: Batch | Inputs) -> Batch:
    """``(inputs, targets)``; tensors and mappings alone are inputs."""
    if isinstance(batch, Tensor | Mapping):
        return batch, None
    inputs, targets = batch
    return inputs, targets
