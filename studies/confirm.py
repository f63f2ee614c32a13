"""The latency of the front, measured for good: ``RUN/confirmed.json``.

Trials know their latency from a prediction, or from a measurement beside other workers. So the
models on the front are timed alone, one after the other, each beside the dense model; the front is
found again with what was measured, and whatever has come onto it is timed too, until all of it is.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import nn

from ..errors import UsageError
from ..objectives.latency import Latency, inputs_of
from ..objectives.timing import compare, ratio
from ..pruners.dense import Dense
from ..pruners.plan import BARE, PruningPlan
from ..pruners.prune import apply_plan
from ..search.history import Record
from ..task import Task
from .confirmation import Confirmation, Confirmed
from .latency import alone
from .progress import Progress, Silent
from .run_record import RunRecord

if TYPE_CHECKING:
    from .recipe import Journey
    from .study import Study

NARROW = 0.01
"""Half an interval, relative, that is narrow enough."""
SHORTEST = 0.1  # seconds for one model, where the time for all is short


def bare_model(dense: Dense, plan: PruningPlan) -> nn.Module:
    """The model of a plan, cut and nothing else: weights do not change its time."""
    return apply_plan(dense, replace(plan, recovery=BARE))[0]


def confirm(
    study: Study,
    *,
    seconds: float,
    again: bool = False,
    progress: Progress | None = None,
    task: Task | None = None,
) -> Confirmation:
    """Score the front of a study on samples held back, then time it, alone on this machine.

    What was measured before stays.

    Args:
        study: whose front.
        seconds: for timing all of it; every model gets its share, at least six blocks.
        again: forget what was timed before. Scores stay, they would be the same.
        progress: hears of it.
        task: needed where the study was given a Python object.

    Raises:
        UsageError: latency is no objective of the study and no samples were held back, or its model
            is another one now.
    """
    progress = progress or Silent()
    study.rescore(progress, task)
    if again:
        Confirmation(study.record.latency.setting).save(study.run)
        study.reread()
    timed = Latency.name in study.record.directions
    if not timed and not study.asked.held_back:
        raise UsageError(
            f"there is nothing to confirm in {study.run}: latency is no objective, and no "
            f"validation samples were held back"
        )
    if not timed or not missing(study):
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
    """The trials whose latency is not confirmed yet: what may be picked, then the whole front."""
    wanted = {r.number: r for r in [*study.allowed_front(), *study.front_records()]}
    return [r for number, r in wanted.items() if number not in study.confirmation.trials]


def confirmed(record: RunRecord, journey: Journey, trial: Record, seconds: float) -> Confirmed:
    """Time one trial's model beside dense."""
    setting, dense = record.latency.setting, journey.dense
    plan = PruningPlan.from_json(trial.plan)
    model = bare_model(dense, plan)
    model = journey.file(model, plan) or model
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
