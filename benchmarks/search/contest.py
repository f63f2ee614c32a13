"""One run: a strategy on a contest with one seed, one row per trial, taken up where it stopped."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import filelock
import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from hierprune.search.rungs import Rungs
from hierprune.search.space import Kind, SearchSpace
from hierprune.search.strategy import Proposer, strategy

from .tasks import Arena


@dataclass(frozen=True)
class Entry:
    """A strategy in its space.

    Attributes:
        strategy: its name.
        kind: of the space.
        sensitivities: let one-layer sensitivities be one of the base allocations.
        linear: draw the flat densities on a linear scale.
        trials: how far it is run.
    """

    strategy: str
    kind: Kind = "auto"
    sensitivities: bool = False
    linear: bool = False
    trials: int = 200


ENTRIES: Mapping[str, Entry] = {
    "default": Entry("default"),
    "flat-tpe": Entry("tpe", "flat", trials=400),
    "flat-tpe-linear": Entry("tpe", "flat", linear=True, trials=400),
    "flat-nsga2": Entry("nsga2", "flat", trials=400),
    "flat-nsga2-linear": Entry("nsga2", "flat", linear=True, trials=400),
    "flat-random": Entry("random", "flat", trials=400),
    "flat-random-linear": Entry("random", "flat", linear=True, trials=400),
    "with-sensitivities": Entry("default", sensitivities=True),
    "gp": Entry("gp"),
    "evolution": Entry("evolution", "hierarchical"),
    "grid": Entry("grid", "hierarchical"),
    "tpe": Entry("tpe", "hierarchical"),
}


class LinearFlat(SearchSpace):
    """The flat space with densities on a linear scale."""

    def suggest(self, trial: optuna.Trial) -> None:
        granularity = self.options.granularities[0]
        for name in self.landscapes[granularity].cost.names:
            low, high = self.options.min_density, self.options.max_density
            trial.suggest_float(f"{granularity}.density:{name}", low, high)


def play(arena: Arena, entry: Entry, seed: int, file: Path, trials: int) -> int:
    """Run until ``file`` holds ``trials`` rows; how many were run. Other processes wait."""
    space = space_of(arena, entry)
    proposer = Proposer(space, arena.goal, Rungs(0.0, entry.trials), strategy(entry.strategy), seed)
    with filelock.FileLock(file.with_suffix(".lock")):
        history = [told(space, i, row) for i, row in enumerate(rows(file))]
        begun = len(history)
        with continued(file) as out:
            while len(history) < trials:
                row = one_trial(arena, proposer, history)
                out.write(json.dumps(row) + "\n")
                out.flush()
                history.append(told(space, len(history), row))
    return len(history) - begun


def space_of(arena: Arena, entry: Entry) -> SearchSpace:
    """The space that an entry searches."""
    space = arena.space(entry.kind, entry.sensitivities)
    if entry.linear:
        return LinearFlat(space.options, space.landscapes, space.recovery)
    return space


def one_trial(arena: Arena, proposer: Proposer, history: list[FrozenTrial]) -> dict[str, Any]:
    """Propose and measure: one row of a run's file."""
    start = time.process_time()
    proposal = proposer(history, True)
    assert proposal is not None
    proposed = time.process_time()
    values = arena.measure(proposal.plan)
    return {
        "params": dict(proposal.params),
        "sampler": dict(proposal.sampler),
        "values": {name: round(value, 6) for name, value in values.items()},
        "point": [round(axis(values[axis.name]), 6) for axis in arena.goal.axes],
        "propose_s": round(proposed - start, 4),
        "trial_s": round(time.process_time() - proposed, 4),
    }


def rows(file: Path) -> list[dict[str, Any]]:
    """The trials in a run's file; a last line that is torn or still written does not count."""
    return [json.loads(line) for line in whole_lines(file).splitlines()]


def continued(file: Path) -> TextIO:
    """A file of rows, opened to append; a torn last line is cut off."""
    whole = len(whole_lines(file).encode())
    out = file.open("a")
    out.truncate(whole)
    return out


def whole_lines(file: Path) -> str:
    """The text of a file up to its last newline."""
    text = file.read_text() if file.exists() else ""
    return text[: text.rfind("\n") + 1]


def told(space: SearchSpace, number: int, row: Mapping[str, Any]) -> FrozenTrial:
    """The trial of a row as the ledger stores it."""
    fixed = optuna.trial.FixedTrial(row["params"])
    space.suggest(fixed)  # type: ignore[arg-type]
    plan = space.plan(row["params"])
    trial = create_trial(
        state=TrialState.COMPLETE,
        values=list(row["values"].values())[:2],
        params=row["params"],
        distributions=fixed.distributions,
        user_attrs={
            "plan": plan.to_json(),
            "sampler": row["sampler"],
            "outcome": {"values": row["values"]},
        },
    )
    trial.number = number
    return trial
