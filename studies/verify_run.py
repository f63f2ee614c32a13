"""The record of a run checked: states, hashes, budgets."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ..pruners.cost import CostModel
from ..pruners.plan import PruningPlan
from ..pruners.tree import ModelTree
from ..search.history import read
from .liveness import Observer
from .prepare import CACHE
from .run_record import RunRecord
from .study import Study

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Audit:
    """What the record of a run holds.

    Attributes:
        run: the folder.
        asked: plans to finish.
        plans: finished plans.
        complete: complete trials of all rungs.
        failed: trials that failed for good.
        running: trials that run.
        waiting: trials that wait.
        faults: everything that contradicts itself, one sentence each.
    """

    run: Path
    asked: int
    plans: int
    complete: int
    failed: int
    running: int
    waiting: int
    faults: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing contradicts itself."""
        return not self.faults

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return vars(self) | {"run": str(self.run), "faults": list(self.faults), "ok": self.ok}


def verify_run(folder: str | Path) -> Audit:
    """Check every trial of a run against what was asked; nothing is changed.

    Raises:
        UsageError: the folder holds no study.
    """
    study = Study.open(folder)
    counts, trials = study.counts(), study.frozen()
    faults = [
        *state_faults(study.run, trials),
        *repetition_faults(trials),
        *(fault for t in trials for fault in value_faults(t, study.record)),
        *budget_faults(study.run, trials, study.record),
    ]
    if counts["complete"] > study.record.n_trials:
        asked = study.record.n_trials
        faults.append(f"{counts['complete']} plans finished, asked for were {asked}")
    return Audit(
        run=study.run,
        asked=study.record.n_trials,
        plans=counts["complete"],
        complete=sum(counts["rungs"]),
        failed=counts["failed"],
        running=counts["running"],
        waiting=counts["waiting"],
        faults=tuple(faults),
    )


def state_faults(run: Path, trials: Sequence[FrozenTrial]) -> Iterator[str]:
    """Trials that are said to run and whose launcher is dead: ``resume`` repeats them."""
    observer = Observer(run / "alive")
    for t in trials:
        owner = t.user_attrs.get("owner", "")
        if t.state == TrialState.RUNNING and not observer.alive(owner):
            yield f"trial {t.number} is running, but its launcher has ended; resume repeats it"


def repetition_faults(trials: Sequence[FrozenTrial]) -> Iterator[str]:
    """Trials that were repeated though they had finished, or more than once."""
    states = {t.number: t.state for t in trials}
    repeats = Counter(read(t).retry_of for t in trials)
    for number, count in repeats.items():
        if number is not None and (count > 1 or states.get(number) == TrialState.COMPLETE):
            state = states.get(number, TrialState.FAIL).name
            yield f"trial {number} is {state} and was repeated {count} times"


def value_faults(trial: FrozenTrial, record: RunRecord) -> Iterator[str]:
    """Complete trials with missing or other values; plans of another dense model."""
    if read(trial).plan.get("dense_sha256") != record.dense.sha256:
        yield f"trial {trial.number} prunes another dense model"
    if trial.state != TrialState.COMPLETE:
        return
    values = read(trial).values
    for objective, stored in zip(record.objectives, trial.values, strict=True):
        value = values.get(objective.name, math.nan)
        if value != stored:
            yield f"trial {trial.number} has two values of {objective.name}: {value} and {stored}"


def budget_faults(run: Path, trials: Sequence[FrozenTrial], record: RunRecord) -> Iterator[str]:
    """Plans whose densities do not give the ratio that they state; needs ``cache/tree.json``."""
    path = run / CACHE / "tree.json"
    try:
        tree = ModelTree.from_json(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return
    costs = {g: CostModel.of(tree, g) for g in record.space.granularities}
    for t in trials:
        plan = PruningPlan.from_json(read(t).plan)
        cost = costs[plan.granularity]
        if strange := sorted(set(plan.density) ^ set(cost.names)):
            yield f"trial {t.number} and the model differ in the groups {', '.join(strange)}"
            continue
        found = max(0.0, 1 - cost.share(cost.vector(plan.density), plan.budget))
        if abs(found - plan.ratio) > TOLERANCE:
            yield (
                f"trial {t.number} removes {found:.6f} of the {plan.budget}, its plan says "
                f"{plan.ratio:.6f}"
            )
