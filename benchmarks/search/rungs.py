"""Fine-tuning the plans that go up, beside fine-tuning all of them.

    python -m hierprune.benchmarks.search.rungs CONTEST [--plans 40] [--epochs 1] [--seeds 0 1 2]

The default proposes plans of a contest, as it does where plans are trained; all of them are
fine-tuned for so many epochs, and the rule of a study then says which of them would have gone up.
Printed is the hypervolume of a study in which only these were (every plan counted on the highest
rung it reached), over that with all of them tuned, and the share of the epochs; then the same with
other shares of the plans going up, in the same order. Training is in bfloat16. It goes on where it
was stopped; fewer than four epochs, so that there is one rung.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import optuna
import torch
from optuna.trial import FrozenTrial

from hierprune.objectives.base import measure_quality
from hierprune.pruners.plan import PruningPlan
from hierprune.pruners.prune import apply_plan
from hierprune.pruners.training import train
from hierprune.search.front import coordinates, hypervolume
from hierprune.search.history import read
from hierprune.search.promotion import Promoter
from hierprune.search.proposal import Proposal
from hierprune.search.rungs import GROWTH, Rungs

from .contest import ENTRIES, continued, play, rows, told
from .tasks import Arena, arena

SHARES = (0.1, 0.2, 0.3, 0.4)
Values = Mapping[str, float]


def tuned(ready: Arena, plan: PruningPlan, epochs: float) -> dict[str, float]:
    """What a plan comes to after fine-tuning, measured as its trial was."""
    model, _ = apply_plan(ready.dense, plan)
    train(model, ready.task, epochs, lr=plan.recovery.lr, seed=plan.seed, precision="bfloat16")
    found = {name: m.value for name, m in measure_quality(model, ready.task, "val").items()}
    share = ready.cost.share(ready.cost.vector(plan.density), ready.setting.budget)
    return found | {ready.setting.budget: share}


def all_tuned(
    ready: Arena, plans: Sequence[PruningPlan], epochs: float, file: Path
) -> list[Values]:
    """Every plan, fine-tuned; what is in the file already is read."""
    found = rows(file)
    with continued(file) as out:
        for plan in plans[len(found) :]:
            found.append(tuned(ready, plan, epochs))
            out.write(json.dumps(found[-1]) + "\n")
            out.flush()
    return [dict(row) for row in found[: len(plans)]]


def promoted(
    ready: Arena, below: Sequence[FrozenTrial], above: Sequence[Values], rungs: Rungs
) -> list[int]:
    """Plans that a study would fine-tune, in order, as their results come in."""
    promoter = Promoter(ready.goal, rungs)
    history, found = list(below), list[int]()
    while (proposal := promoter(history)) is not None:
        assert proposal.parent is not None
        found.append(proposal.parent)
        history.append(finished(proposal, len(history), above[proposal.parent]))
    return found


def finished(proposal: Proposal, number: int, values: Values) -> FrozenTrial:
    """The trial of a promotion as the ledger stores it."""
    trial = optuna.trial.create_trial(
        values=list(values.values())[:2],
        params=dict(proposal.params),
        distributions=dict(proposal.distributions),
        user_attrs={
            "plan": proposal.plan.to_json(),
            "rung": proposal.rung,
            "parent": proposal.parent,
            "outcome": {"values": dict(values)},
        },
    )
    trial.number = number
    return trial


def volume(ready: Arena, values: Sequence[Values]) -> float:
    """Hypervolume of these scores."""
    return hypervolume(coordinates(ready.goal.axes, values))


def compared(
    ready: Arena, seed: int, given: argparse.Namespace, folder: Path
) -> Iterator[list[float]]:
    """Share of the epochs and of the hypervolume: as a study does it, then by share going up."""
    entry = replace(ENTRIES["with-sensitivities"], trials=given.plans)
    file = folder / f"plans-{seed}.jsonl"
    play(ready, entry, seed, file, given.plans)
    space = ready.space(entry.kind, entry.sensitivities)
    below = [told(space, i, row) for i, row in enumerate(rows(file)[: given.plans])]
    plans = [PruningPlan.from_json(t.user_attrs["plan"]) for t in below]
    above = all_tuned(ready, plans, given.epochs, folder / f"tuned-{given.epochs:g}-{seed}.jsonl")
    before: list[Any] = [read(t).values for t in below]
    whole = volume(ready, above)

    def shares(up: Sequence[int]) -> list[float]:
        seen = [above[i] if i in set(up) else before[i] for i in range(len(before))]
        return [len(up) / len(before), volume(ready, seen) / whole]

    yield shares(promoted(ready, below, above, Rungs(given.epochs, len(below))))
    order = promoted(ready, below, above, Rungs(given.epochs, len(below), share=1.0))
    for share in SHARES:
        yield shares(order[: round(share * len(before))])
    yield [0.0, volume(ready, before) / whole]


def main() -> None:
    """Run what was not run yet, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("contest")
    parser.add_argument("--plans", type=int, default=40)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/bench-search/rungs"))
    given = parser.parse_args()
    if given.epochs >= GROWTH:
        parser.error(f"--epochs must be below {GROWTH}, got {given.epochs}")
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder = given.out / given.contest
    ready = arena(given.contest, folder / "cache", sensitivities=True)
    found = [list(compared(ready, seed, given, folder)) for seed in given.seeds]
    print(f"{given.contest}: {given.plans} plans, {given.epochs:g} epochs, {len(found)} seeds\n")
    print("| who is fine-tuned | epochs | hypervolume, mean | least |\n|---|---|---|---|")
    names = ["as a study does", *(f"the best {share:.0%}" for share in SHARES), "nobody"]
    for name, runs in zip(names, zip(*found, strict=True), strict=True):
        epochs, volumes = mean(r[0] for r in runs), [r[1] for r in runs]
        print(f"| {name} | {epochs:.2f} | {mean(volumes):.4f} | {min(volumes):.4f} |")


if __name__ == "__main__":
    main()
