"""The record of a run checked: journal, states, repetitions, rungs, hashes, budgets, files."""

from __future__ import annotations

import json
import math
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ..errors import UsageError
from ..objectives.packing import load_state
from ..pruners.cost import CostModel
from ..pruners.plan import PruningPlan
from ..pruners.tree import ModelTree
from ..search.history import read
from ..search.promotion import Promoter
from ..search.stopping import Stop
from .liveness import Observer
from .mend import Fault, Mended, mend
from .prepare import CACHE
from .records import half_told
from .run_record import RunRecord
from .spool import Spool, read_outcome
from .storage import JOURNAL, journal_bytes
from .study import Study

TOLERANCE = 1e-9
ASIDE = "put it aside; it is made anew when it is needed"


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
        stopped: rule and reason where a rule ended the study early; else ``None``.
        done: whether no further plan will come, and no trial is open.
        found: everything that contradicts itself, and what a repair does about it.
        repaired: what a repair did.
    """

    run: Path
    asked: int
    plans: int
    complete: int
    failed: int
    running: int
    waiting: int
    stopped: dict[str, str] | None
    done: bool
    found: tuple[Fault, ...]
    repaired: tuple[Fault, ...] = ()

    @property
    def faults(self) -> tuple[str, ...]:
        """What contradicts itself, in words."""
        return tuple(fault.text for fault in self.found)

    @property
    def ok(self) -> bool:
        """Whether nothing contradicts itself."""
        return not self.found

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        data = vars(self) | {"run": str(self.run), "ok": self.ok, "faults": list(self.faults)}
        data["remedies"] = {f.text: f.remedy for f in data.pop("found") if f.remedy}
        data["repaired"] = {f.text: f.remedy for f in self.repaired}
        return data


def verify_run(folder: str | Path) -> Audit:
    """Check every trial of a run against what was asked; nothing is changed.

    Raises:
        UsageError: the folder holds no study.
    """
    run = Path(folder)
    with readable(run) as (study, mended):
        counts, trials, stop = study.counts(), study.frozen(), study.stop()
        done = is_done(study, counts, stop)
    record = study.record
    faults = [
        *mended.faults,
        *state_faults(run, trials),
        *repetition_faults(trials),
        *rung_faults(trials),
        *(fault for t in trials for fault in value_faults(t, record)),
        *budget_faults(run, trials, record),
        *file_faults(run),
    ]
    return Audit(
        run=run,
        asked=record.n_trials,
        plans=counts["complete"],
        complete=sum(counts["rungs"]),
        failed=counts["failed"],
        running=counts["running"],
        waiting=counts["waiting"],
        stopped=None if stop is None else {"rule": stop.rule, "reason": stop.reason},
        done=done,
        found=tuple(faults),
    )


def is_done(study: Study, counts: Mapping[str, Any], stop: Stop | None) -> bool:
    """Whether a resume would start nothing."""
    record = study.record
    if counts["running"] or counts["waiting"]:
        return False
    if stop is None and counts["complete"] < record.n_trials:
        return False
    promoter = Promoter(record.goal(), record.rungs)
    over = stop is not None and stop.rule == "until"
    return over or promoter(study.frozen()) is None


@contextmanager
def readable(run: Path) -> Iterator[tuple[Study, Mended]]:
    """The study of a run, of a journal as a mended copy, so that damage does not hide the rest."""
    record = RunRecord.load(run)
    if record.storage is not None:
        yield Study(run, record), Mended(b"", ())
        return
    mended = mend(journal_bytes(run / JOURNAL), record.directions)
    with tempfile.TemporaryDirectory() as copy:
        (Path(copy) / JOURNAL).write_bytes(mended.data)
        yield Study(Path(copy), record), mended


def state_faults(run: Path, trials: Sequence[FrozenTrial]) -> Iterator[Fault]:
    """Trials that are said to run and whose launcher is dead."""
    observer, spool = Observer(run / "alive"), Spool(run / "spool")
    for t in trials:
        owner = t.user_attrs.get("owner", "")
        if t.state == TrialState.RUNNING and not observer.alive(owner):
            text = f"trial {t.number} is running, but its launcher has ended; resume repeats it"
            known = spool.get(t.number, t.user_attrs["attempt"]) or half_told(t)
            yield Fault(text, "record its result, which is there" if known else "let it wait again")


def repetition_faults(trials: Sequence[FrozenTrial]) -> Iterator[Fault]:
    """Trials that were repeated though they had finished, or more than once."""
    states = {t.number: t.state for t in trials}
    for number, copies in repetitions(trials).items():
        if number not in states:
            yield Fault(f"trial {copies[0].number} repeats trial {number}, which does not exist")
        elif len(copies) > (states[number] != TrialState.COMPLETE):
            text = f"trial {number} is {states[number].name} and was repeated {len(copies)} times"
            waiting = [c.number for c in needless(states[number], copies)]
            yield Fault(text, f"close {join(waiting)}, which waits" if waiting else "")


def repetitions(trials: Iterable[FrozenTrial]) -> dict[int, list[FrozenTrial]]:
    """The repetitions of every repeated trial, but for those that failed themselves."""
    found: dict[int, list[FrozenTrial]] = {}
    for t in trials:
        number = read(t).retry_of
        if number is not None and t.state != TrialState.FAIL:
            found.setdefault(number, []).append(t)
    return found


def needless(state: TrialState, copies: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Those of the repetitions of a trial in that state that wait and need not be run."""
    waiting = [c for c in copies if c.state == TrialState.WAITING]
    if state == TrialState.COMPLETE or len(waiting) < len(copies):
        return waiting
    return waiting[1:]


def join(numbers: Sequence[int]) -> str:
    """Trials in words.

    >>> join([3]), join([3, 5])
    ('trial 3', 'trials 3, 5')
    """
    return f"trial{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def rung_faults(trials: Sequence[FrozenTrial]) -> Iterator[Fault]:
    """Trials of higher rungs without a finished trial below, or with a twin."""
    by_number = {t.number: t for t in trials}
    promoted = Counter(r.parent for r in map(read, trials) if r.retry_of is None)
    for r in map(read, trials):
        if r.parent is None:
            continue
        below = by_number.get(r.parent)
        if below is None or below.state != TrialState.COMPLETE or read(below).rung != r.rung - 1:
            yield Fault(f"trial {r.number} goes on from trial {r.parent}, which is not finished")
    for parent, count in promoted.items():
        if parent is not None and count > 1:
            yield Fault(f"trial {parent} went up a rung {count} times")


def value_faults(trial: FrozenTrial, record: RunRecord) -> Iterator[Fault]:
    """Complete trials with missing or other values; plans of another dense model."""
    if read(trial).plan.get("dense_sha256") != record.dense.sha256:
        yield Fault(f"trial {trial.number} prunes another dense model")
    if trial.state != TrialState.COMPLETE:
        return
    values = read(trial).values
    for objective, stored in zip(record.objectives, trial.values, strict=True):
        value = values.get(objective.name, math.nan)
        if value != stored:
            text = f"trial {trial.number} has two values of {objective.name}: {value} and {stored}"
            yield Fault(text)


def budget_faults(run: Path, trials: Sequence[FrozenTrial], record: RunRecord) -> Iterator[Fault]:
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
            text = f"trial {t.number} and the model differ in the groups {', '.join(strange)}"
            yield Fault(text)
            continue
        found = max(0.0, 1 - cost.share(cost.vector(plan.density), plan.budget))
        if abs(found - plan.ratio) > TOLERANCE:
            yield Fault(
                f"trial {t.number} removes {found:.6f} of the {plan.budget}, its plan says "
                f"{plan.ratio:.6f}"
            )


def file_faults(run: Path) -> Iterator[Fault]:
    """Files that cannot be read, among those that are derived or on their way."""
    for path in damaged_files(run):
        remedy = ASIDE if path.parent.name != "spool" else "put it aside; its trial is repeated"
        yield Fault(f"{path.relative_to(run)} cannot be read", remedy)


def damaged_files(run: Path) -> Iterator[Path]:
    """Weights, caches and spooled results that cannot be read."""
    for path in sorted(run.glob("spool/*.json")):
        if path.exists() and read_outcome(path) is None:
            yield path
    for path in sorted([*run.glob("cache/*.json"), *run.glob("cache/*.safetensors")]):
        if not is_sound(path):
            yield path
    for path in sorted(run.glob("trials/*/*.safetensors")):
        if not is_sound(path):
            yield path


def is_sound(path: Path) -> bool:
    """Whether a file of JSON or of tensors can be read."""
    try:
        if path.suffix == ".json":
            json.loads(path.read_text())
        else:
            load_state(path)
    except FileNotFoundError:
        return True
    except (OSError, ValueError, UsageError):
        return False
    return True
