"""MLflow: a run for the study and, below it, one for every trial.

Where they go is MLflow's own affair: ``MLFLOW_TRACKING_URI``, ``MLFLOW_EXPERIMENT_NAME``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from time import time

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from ..run_record import RunRecord
from .base import Point, Told, study_id

DEFAULT_EXPERIMENT = "hierprune"
STUDY = "hierprune.study"
PARENT = "mlflow.parentRunId"
NAME = "mlflow.runName"


class MLflow:
    """Finds the run of the study again by its tag, or makes it."""

    def __init__(self, run: Path, record: RunRecord) -> None:
        self._client = MlflowClient()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", DEFAULT_EXPERIMENT)
        found = self._client.get_experiment_by_name(name)
        self._experiment = (
            self._client.create_experiment(name) if found is None else found.experiment_id
        )
        self._parent = self._find_or_make(run, record)
        self._client.update_run(self._parent, status="RUNNING")

    def _find_or_make(self, run: Path, record: RunRecord) -> str:
        identity = study_id(run, record)
        found = self._client.search_runs([self._experiment], f"tags.`{STUDY}` = '{identity}'")
        if found:
            return str(found[0].info.run_id)
        tags = {
            STUDY: identity,
            "task": record.task,
            "data": record.data,
            "objectives": ", ".join(o.name for o in record.objectives),
            "strategy": record.strategy,
            "seed": str(record.seed),
        }
        made = self._client.create_run(self._experiment, tags=tags, run_name=run.name)
        dense = {f"dense/{n}": v for n, v in record.dense.values.items()}
        self._log(made.info.run_id, dense, 0)
        return str(made.info.run_id)

    def _log(self, run: str, values: Mapping[str, float], step: int) -> None:
        now = int(time() * 1000)
        metrics = [Metric(name, float(value), now, step) for name, value in values.items()]
        self._client.log_batch(run, metrics=metrics)

    def trial(self, told: Told) -> None:
        """See :class:`Tracker`."""
        name = f"trial {told.number}"
        tags = {PARENT: self._parent, "trial": str(told.number)}
        made = self._client.create_run(self._experiment, tags=tags, run_name=name)
        identity = made.info.run_id
        params = [Param(n, str(v)) for n, v in told.choices.items()]
        error = [RunTag("error", told.error)] if told.error else []
        self._client.log_batch(identity, params=params, tags=error)
        self._log(identity, told.values, told.number)
        self._client.set_terminated(identity, "FAILED" if told.error else "FINISHED")

    def point(self, point: Point) -> None:
        """See :class:`Tracker`."""
        self._log(self._parent, point.values, point.step)

    def close(self) -> None:
        """See :class:`Tracker`."""
        self._client.set_terminated(self._parent)
