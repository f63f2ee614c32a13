"""The latency of the front, measured for good: ``RUN/confirmed.json``.

Trials know their latency from a prediction, or from a measurement beside other workers. So the
models on the front are timed alone, one after the other, each beside the dense model; the front is
found again with what was measured, and whatever has come onto it is timed too, until all of it is.
"""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from torch import nn

from ..errors import UsageError
from ..objectives.latency import Latency, inputs_of
from ..objectives.runtime import Setting
from ..objectives.timing import compare, ratio
from ..pruners.dense import Dense
from ..pruners.plan import PruningPlan, Recovery
from ..pruners.prune import apply_plan
from ..search.history import Record
from ..task import Task
from .latency import alone
from .progress import Progress, Silent
from .run_record import RunRecord

if TYPE_CHECKING:
    from .recipe import Journey
    from .study import Study

FILE = "confirmed.json"
NARROW = 0.01
"""Half an interval, relative, that is narrow enough."""
SHORTEST = 0.5  # seconds for one model, where the time for all is short

Verdict = Literal["faster", "slower", "undecided"]
"""Of a model against dense, by its interval: all below, all above, or neither."""


@dataclass(frozen=True)
class Confirmed:
    """What was measured of one trial: time / dense time, with its 95 % interval."""

    ratio: float
    low: float
    high: float
    blocks: int


@dataclass(frozen=True)
class Confirmation:
    """What was measured of a study's models.

    Attributes:
        setting: of the runtime.
        trials: by number.
        created: when the last was measured, ISO 8601, UTC.
    """

    setting: Setting
    trials: Mapping[int, Confirmed] = field(default_factory=dict)
    created: str = ""

    def save(self, run: Path) -> None:
        """Write ``confirmed.json``; readers see the old file or the whole new one."""
        data = {
            "setting": vars(self.setting),
            "created": self.created,
            "trials": {str(n): vars(c) for n, c in sorted(self.trials.items())},
        }
        draft = run / f".{FILE}.draft"
        draft.write_text(json.dumps(data, indent=1) + "\n")
        draft.replace(run / FILE)

    @classmethod
    def load(cls, run: Path, setting: Setting) -> Confirmation:
        """What the run knows of this setting; nothing where the file is missing or damaged."""
        try:
            data = json.loads((run / FILE).read_text())
            same = json.loads(json.dumps(vars(setting))) == data["setting"]
            trials = {int(n): Confirmed(**c) for n, c in data["trials"].items()}
            return cls(setting, trials if same else {}, data["created"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls(setting)

    def applied(self, record: Record, dense_ms: float) -> Record:
        """The record with the latency that was confirmed, if it was."""
        found = self.trials.get(record.number)
        if found is None or Latency.name not in record.values:
            return record
        interval = (found.low * dense_ms, found.high * dense_ms)
        return replace(
            record,
            values={**record.values, Latency.name: found.ratio * dense_ms},
            interval={**record.interval, Latency.name: interval},
        )


def verdict(record: Record, dense_ms: float) -> Verdict:
    """Whether the record's interval shows its model faster or slower than dense."""
    low, high = record.interval.get(Latency.name, (-float("inf"), float("inf")))
    return "faster" if high < dense_ms else "slower" if low > dense_ms else "undecided"


def bare_model(dense: Dense, plan: PruningPlan) -> nn.Module:
    """The model of a plan, cut and nothing else: weights do not change its time."""
    none = Recovery(reconstruct=False, recalibrate=False)
    return apply_plan(dense, replace(plan, recovery=none))[0]


def confirm(
    study: Study,
    *,
    seconds: float,
    again: bool = False,
    progress: Progress | None = None,
    task: Task | None = None,
) -> Confirmation:
    """Time the front of a study, alone on this machine; what was timed before stays.

    Args:
        study: whose front.
        seconds: for all of it; every model gets its share, at least six blocks.
        again: forget what was measured before.
        progress: hears of it.
        task: needed where the study was given a Python object.

    Raises:
        UsageError: latency is no objective of the study, or its model is another one now.
    """
    progress = progress or Silent()
    if again:
        Confirmation(study.record.latency.setting).save(study.run)
        study.reread()
    if Latency.name not in study.record.directions:
        raise UsageError(f"latency is no objective of {study.run}: there is nothing to confirm")
    if not missing(study):
        return study.confirmation
    journey = study.journey(task)
    until = time.perf_counter() + seconds
    with alone(progress):
        while todo := missing(study):
            progress.note(f"timing {len(todo)} models of the front, one at a time")
            share = max(SHORTEST, (until - time.perf_counter()) / len(todo))
            for i, record in enumerate(todo):
                if time.perf_counter() > until and study.confirmation.trials:
                    return study.confirmation
                found = confirmed(study.record, journey, record, share)
                store(study, {record.number: found})
                progress.share((i + 1) / len(todo))
    return study.confirmation


def missing(study: Study) -> Sequence[Record]:
    """The trials of the front whose latency is not confirmed yet."""
    return [r for r in study.front_records() if r.number not in study.confirmation.trials]


def confirmed(record: RunRecord, journey: Journey, trial: Record, seconds: float) -> Confirmed:
    """Time one trial's model beside dense."""
    setting, dense = record.latency.setting, journey.dense
    model = bare_model(dense, PruningPlan.from_json(trial.plan))
    inputs = inputs_of(setting, journey.task, dense.model)
    times = compare(setting, model, dense.model, inputs, seconds=seconds, narrow=NARROW)
    found = ratio(times)
    assert found.low is not None
    assert found.high is not None
    return Confirmed(found.value, found.low, found.high, len(times))


def store(study: Study, found: Mapping[int, Confirmed]) -> None:
    """Add to what is confirmed, in the file and in the study."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    known = study.confirmation
    Confirmation(known.setting, {**known.trials, **found}, now).save(study.run)
    study.reread()
