"""Weights & Biases: one run, a row for every trial.

Where it goes is their library's own affair: ``WANDB_MODE=offline``, ``WANDB_PROJECT``,
``WANDB_API_KEY``; offline runs lie in ``RUN/trackers/wandb`` for ``wandb sync``.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import wandb

from ..run_record import RunRecord
from .base import Point, Told, study_id


class WeightsAndBiases:
    """The same run after every resume, by the identity of the study."""

    def __init__(self, run: Path, record: RunRecord) -> None:
        folder = run / "trackers"
        asked = asdict(record)
        config = {name: asked[name] for name in ("task", "data", "where", "strategy", "seed")}
        objectives = [o.name for o in record.objectives]
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "hierprune"),
            name=run.name,
            id=study_id(run, record),
            resume="allow",
            dir=str(folder),
            config=config | {"objectives": objectives, "dense": dict(record.dense.values)},
            settings=wandb.Settings(silent=True),
        )
        self._run.define_metric("trial/*", step_metric="number")
        self._run.define_metric("study/*", step_metric="finished")

    def trial(self, told: Told) -> None:
        """See :class:`Tracker`."""
        row = {**told.choices, **told.values} | ({"error": told.error} if told.error else {})
        self._run.log({"number": told.number, **{f"trial/{n}": v for n, v in row.items()}})

    def point(self, point: Point) -> None:
        """See :class:`Tracker`."""
        row = {f"study/{n}": v for n, v in point.values.items()}
        self._run.log({"finished": point.step, **row})

    def close(self) -> None:
        """See :class:`Tracker`."""
        self._run.finish()
