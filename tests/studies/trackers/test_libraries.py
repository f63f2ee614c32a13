"""Every tracker against its real library: all trials, each once, also after a resume."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hierprune
from hierprune.studies.study import Study
from hierprune.studies.trackers.registry import TRACKERS

Rows = list[tuple[int, float]]
Read = Callable[[Path], Rows]
"""Trial numbers and accuracies as the library gives them back."""

MODES = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "MLFLOW_TRACKING_URI": "sqlite:///m.db"}


def on_tensorboard(home: Path) -> Rows:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(home / "new" / "trackers" / "tensorboard"))
    events.Reload()
    assert {"trial/params", "study/hypervolume"} <= set(events.Tags()["scalars"])
    return [(e.step, e.value) for e in events.Scalars("trial/accuracy")]


def on_mlflow(home: Path) -> Rows:
    from mlflow import MlflowClient

    client = MlflowClient()
    experiment = client.get_experiment_by_name("hierprune")
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = (r for r in runs if r.info.run_name == "new")
    assert parent.info.status == "FINISHED"
    assert "hypervolume" in parent.data.metrics
    children = [r for r in runs if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(children) == len(runs) - 1
    assert all(r.data.params["granularity"] == "channel" for r in children)
    return [(int(r.data.tags["trial"]), r.data.metrics["accuracy"]) for r in children]


def on_wandb(home: Path) -> Rows:
    from wandb.proto.wandb_internal_pb2 import Record

    rows, names = [], set()
    for file in (home / "new" / "trackers").glob("wandb/offline-run-*/*.wandb"):
        for record in map(Record.FromString, offline_records(file.read_bytes())):
            names |= {record.run.run_id} - {""}
            row = {i.key or i.nested_key[0]: i.value_json for i in record.history.item}
            if "number" in row:
                rows.append((json.loads(row["number"]), json.loads(row["trial/accuracy"])))
    assert len(names) == 1
    return rows


def offline_records(content: bytes, block: int = 32768) -> Iterator[bytes]:
    """The records of an offline run: LevelDB's log format, behind a header of its own."""
    position, record = 7, b""
    while position + 7 <= len(content):
        if block - position % block < 7:  # the rest of a block, too short for a header
            position += block - position % block
            continue
        length, kind = struct.unpack_from("<HB", content, position + 4)
        position += 7
        if position + length > len(content):  # still being written
            return
        record += content[position : position + length]
        position += length
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""


READ = {"tensorboard": on_tensorboard, "mlflow": on_mlflow, "wandb": on_wandb}


def when_written(read: Read, home: Path, count: int) -> Rows:
    """What the library gives back once that is ``count`` rows; wandb writes by another process."""
    end = time.monotonic() + 30
    while len(found := read(home)) < count and time.monotonic() < end:
        time.sleep(0.2)
    return found


def test_every_tracker_is_tested() -> None:
    assert set(READ) == set(TRACKERS)


@pytest.mark.filterwarnings("ignore")  # of these libraries
@pytest.mark.parametrize("name", READ)
def test_trials_are_tracked_once_and_resume_goes_on(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(TRACKERS[name].package, reason="an extra that is not installed")
    for key, value in MODES.items():
        monkeypatch.setenv(key, value)
    fixed: dict[str, Any] = {"workers": 0, "objectives": ("accuracy", "params")}
    hierprune.launch("stripes.py:task", "new", trials=2, strategy="random", track=name, **fixed)
    hierprune.resume("new", trials=4, workers=0)
    study = Study.open("new")
    expected = {r.number: r.values["accuracy"] for r in study.finished()}
    found = when_written(READ[name], home, len(expected))
    assert sorted(number for number, _ in found) == list(expected) == [0, 1, 2, 3]
    assert dict(found) == pytest.approx(expected)
