"""Processor time of a proposal in a large study: made-up numbers, every strategy.

    python -m hierprune.benchmarks.search.proposal_time [--trials 5000] [--groups 60] [STRATEGY...]

A study of 60 groups in 12 stages is told by a formula; printed are milliseconds of processor time
per proposal over the last trials, mean and largest, and the growth of the process meanwhile.
"""

from __future__ import annotations

import argparse
import resource
import time
import warnings
from collections.abc import Sequence

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from hierprune.pruners.allocation import ALLOCATIONS
from hierprune.pruners.cost import CostModel
from hierprune.pruners.tree import Cut, Group, ModelTree, TensorCost
from hierprune.search.front import Axis
from hierprune.search.goal import Goal
from hierprune.search.proposal import Proposal
from hierprune.search.rungs import Rungs
from hierprune.search.space import Landscape, SearchSpace, SpaceOptions
from hierprune.search.strategy import STRATEGIES, Proposer, strategy

WIDTH = 64
STAGES = 12
MEASURED = 20


def made_up(groups: int) -> SearchSpace:
    """The space of a chain of linear layers."""
    tensors = tuple(
        TensorCost(f"{i}.weight", (WIDTH, WIDTH), WIDTH * WIDTH) for i in range(groups + 1)
    )
    units = tuple((u,) for u in range(WIDTH))
    members = []
    for i in range(groups):
        cuts = (Cut(f"{i}.weight", 0, units), Cut(f"{i + 1}.weight", 1, units, reads=True))
        members.append(Group(str(i), f"stage{i * STAGES // groups}", "neuron", cuts))
    tree = ModelTree(tuple(members), (), tensors)
    cost = CostModel.of(tree, "channel")
    scores = [np.random.default_rng(i).random(WIDTH) * (1 + i % 5) for i in range(groups)]
    shapes = [(WIDTH, WIDTH + i) for i in range(groups)]
    paths = {(n, "activation"): a(cost, scores, shapes) for n, a in ALLOCATIONS.items()}
    land = Landscape(cost, tuple(g.stage for g in members), paths)
    return SearchSpace(SpaceOptions(), {"channel": land})


def told(proposal: Proposal, number: int) -> FrozenTrial:
    """The trial of a proposal under a made-up truth."""
    densities = np.array(list(proposal.plan.density.values()))
    lost = float(np.mean((1 + np.arange(len(densities)) % 3) * (1 - densities) ** 2))
    share = 1 - proposal.plan.ratio
    values = {"accuracy": 0.9 * float(np.exp(-lost)), "params": share, "macs": share}
    trial = create_trial(
        state=TrialState.COMPLETE,
        values=[values["accuracy"], share],
        params=dict(proposal.params),
        distributions=dict(proposal.distributions),
        user_attrs={
            "plan": proposal.plan.to_json(),
            "sampler": dict(proposal.sampler),
            "outcome": {"values": values},
        },
    )
    trial.number = number
    return trial


def history_of(space: SearchSpace, goal: Goal, count: int) -> list[FrozenTrial]:
    """Trials of the random strategy."""
    proposer = Proposer(space, goal, Rungs(0.0, count), strategy("random"))
    history: list[FrozenTrial] = []
    for number in range(count):
        params = proposer._mirror.propose(space, strategy("random").sampler(number))
        proposal = Proposal(params.params, params.distributions, space.plan(params.params))
        history.append(told(proposal, number))
        if number % 500 == 499:
            proposer._mirror._reset()
    return history


def measure(name: str, space: SearchSpace, goal: Goal, history: Sequence[FrozenTrial]) -> None:
    """Print one row."""
    proposer = Proposer(space, goal, Rungs(0.0, 2 * len(history)), strategy(name))
    trials = list(history)
    trials.append(told(first(proposer, trials), len(trials)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    spent = []
    for _ in range(MEASURED):
        start = time.process_time()
        proposal = first(proposer, trials)
        spent.append((time.process_time() - start) * 1e3)
        trials.append(told(proposal, len(trials)))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"| {name} | {np.mean(spent):.0f} | {max(spent):.0f} | {grown:.1f} |", flush=True)


def first(proposer: Proposer, trials: Sequence[FrozenTrial]) -> Proposal:
    """The next plan."""
    proposal = proposer(trials, True)
    assert proposal is not None
    return proposal


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("strategies", nargs="*", default=list(STRATEGIES))
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--groups", type=int, default=60)
    given = parser.parse_args(arguments)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    space = made_up(given.groups)
    dense = {"accuracy": 0.9, "params": 1.0, "macs": 1.0}
    axes = (Axis("accuracy", "maximize", 0.9, 0.1), Axis("params", "minimize", 1.0))
    goal = Goal(axes, (), dense, {"accuracy": 0.1})
    history = history_of(space, goal, given.trials)
    print("| strategy | ms, mean | ms, largest | MB grown |\n|---|---|---|---|")
    for name in given.strategies:
        measure(name, space, goal, history)


if __name__ == "__main__":
    main()
