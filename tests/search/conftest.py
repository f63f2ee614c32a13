"""A small search space over made-up numbers, and studies told by a formula."""

import itertools
import sys
from types import ModuleType

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from hierprune.objectives.constraint import Constraint
from hierprune.pruners.allocation import Scaled, ranked
from hierprune.pruners.cost import CostModel
from hierprune.pruners.tree import Cut, Group, ModelTree, TensorCost
from hierprune.search.front import Axis
from hierprune.search.goal import Goal
from hierprune.search.proposal import Proposal
from hierprune.search.rungs import Rungs
from hierprune.search.space import Landscape, SearchSpace, SpaceOptions
from hierprune.search.strategy import Proposer, strategy

WIDTHS = (16, 24, 32, 8)
DENSE = {"accuracy": 0.9, "loss": 0.1, "params": 1.0, "macs": 1.0}


def tree() -> ModelTree:
    """A chain of linear layers of these widths, 10 inputs and 4 outputs."""
    sizes = (10, *WIDTHS, 4)
    tensors = tuple(
        TensorCost(f"{i}.weight", (b, a), a * b)
        for i, (a, b) in enumerate(itertools.pairwise(sizes))
    )
    groups = []
    for i, width in enumerate(WIDTHS):
        units = tuple((u,) for u in range(width))
        cuts = (Cut(f"{i}.weight", 0, units), Cut(f"{i + 1}.weight", 1, units, reads=True))
        groups.append(Group(str(i), "a" if i < 2 else "b", "neuron", cuts))
    weights = tuple(
        Group(str(i), "a", "weight", (Cut(t.name, -1, ()),), size=t.macs)
        for i, t in enumerate(tensors)
    )
    return ModelTree(tuple(groups), weights, tensors)


def landscape(granularity: str) -> Landscape:
    """The landscape of :func:`tree`."""
    found = tree()
    cost = CostModel.of(found, granularity)
    generator = np.random.default_rng(0)
    scores = [generator.random(w) for w in cost.widths]
    paths = {}
    for name in ("uniform", "erk", "shared"):
        for criterion in ("activation", "l1"):
            paths[name, criterion] = Scaled(np.ones(len(cost.names)))
    for name in ("global", "lamp", "dp"):
        for criterion in ("activation", "l1"):
            paths[name, criterion] = ranked(scores)
    stages = tuple(g.stage for g in found.units(granularity))
    return Landscape(cost, stages, paths)


def make_space(**options: object) -> SearchSpace:
    chosen = SpaceOptions(**options)  # type: ignore[arg-type]
    return SearchSpace(chosen, {g: landscape(g) for g in chosen.granularities})


def make_goal(*constraints: str) -> Goal:
    axes = (
        Axis("accuracy", "maximize", DENSE["accuracy"], 0.1),
        Axis("params", "minimize", DENSE["params"]),
    )
    rules = tuple(Constraint.parse(text) for text in constraints)
    return Goal(axes, rules, DENSE, {"accuracy": 0.1, "loss": 2.3})


def make_proposer(
    n_trials: int = 20,
    max_epochs: float = 0.0,
    name: str = "tpe",
    *constraints: str,
    **options: object,
) -> Proposer:
    return Proposer(
        make_space(**options),
        make_goal(*constraints),
        Rungs(max_epochs, n_trials),
        strategy(name),
        seed=3,
    )


def score(proposal: Proposal) -> dict[str, float]:
    """A made-up truth: accuracy falls with the share removed, less after training."""
    kept = 1 - proposal.plan.ratio
    accuracy = 0.9 * (1 - (1 - kept) ** 4) + 0.01 * proposal.plan.recovery.epochs
    return {"accuracy": accuracy, "loss": 1 - accuracy, "params": kept, "macs": kept}


def told(
    proposal: Proposal, number: int, values: dict[str, float] | None, **attributes: object
) -> FrozenTrial:
    """The trial of a proposal as the ledger stores it; without values it failed."""
    attrs = {
        "plan": proposal.plan.to_json(),
        "rung": proposal.rung,
        "parent": proposal.parent,
        "sampler": dict(proposal.sampler),
        "outcome": {"values": values or {}},
        **attributes,
    }
    trial = create_trial(
        state=TrialState.COMPLETE if values else TrialState.FAIL,
        values=[values["accuracy"], values["params"]] if values else None,
        params=dict(proposal.params),
        distributions=dict(proposal.distributions),
        user_attrs=attrs,
    )
    trial.number = number
    return trial


def play(
    proposer: Proposer, n_trials: int, history: list[FrozenTrial] | None = None
) -> list[FrozenTrial]:
    """Propose and tell until nothing is left to do."""
    history = history if history is not None else []
    while True:
        plans = sum(t.user_attrs["rung"] == 0 and t.state == TrialState.COMPLETE for t in history)
        proposal = proposer(history, plans < n_trials)
        if proposal is None:
            return history
        history.append(told(proposal, len(history), score(proposal)))


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture(scope="session")
def toy() -> ModuleType:
    """The functions of this file."""
    return sys.modules[__name__]
