"""The model that was picked, as a folder: weights, plan, card; and back."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from ..errors import UsageError
from ..objectives.onnx_model import OnnxModel
from ..objectives.packing import load_state, save_state
from ..plain_json import dumps
from ..pruners.plan import PruningPlan
from ..pruners.prune import shrink
from ..pruners.tree_cache import task_tree
from ..task import Task
from .card import INT8, PICTURE, card
from .chosen import Chosen
from .picks import note_pick
from .run_record import RunRecord
from .source import TaskSource

WEIGHTS = "model.safetensors"
PLAN = "plan.json"
CARD = "card.md"
EXPORTS = ("model.onnx", "model.pt2")
"""What ``hierprune export`` makes of a picked folder, unless told another name."""
DRAFT = ".draft"  # a folder beside them, until all are written


@dataclass(frozen=True, eq=False)
class Picked(Chosen):
    """One model of a study, rebuilt and tested, to be kept."""

    def save(self, folder: str | Path) -> Path:
        """Write ``model.safetensors``, ``plan.json``, ``card.md`` and ``kept.svg``.

        A quantised model is ``model.int8.onnx`` beside them. The folder is made where it is not
        there. Files are moved in when all are written, the plan last: with a plan it is whole.
        Exports of the model that was there before go, since they are not of this one.

        Raises:
            UsageError: the folder exists and holds something else.
        """
        folder = Path(folder)
        check_out(folder)
        draft = folder / DRAFT
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        self._write(draft, folder)
        for name in (PLAN, INT8, PICTURE, *EXPORTS):  # of another model that was here
            (folder / name).unlink(missing_ok=True)
        for path in sorted(draft.iterdir(), key=lambda path: path.name == PLAN):
            path.replace(folder / path.name)
        draft.rmdir()
        if self.run is not None:
            note_pick(self.run, self.trial, folder)
        return folder

    def _write(self, draft: Path, folder: Path) -> None:
        """All files, as they will be in the folder."""
        save_state(self.model.state_dict(), draft / WEIGHTS)
        if self.file is not None:
            (draft / INT8).write_bytes(self.file.content)
        plan = self.plan.to_json() | {
            "trial": self.trial,
            "task": task_json(self.record),
            "test": dict(self.test),
            "dense_test": dict(self.dense_test),
            "values": dict(self.values),
            "interval": {k: list(v) for k, v in self.interval.items()},
            "dense": dict(self.record.dense.values),
        }
        (draft / PLAN).write_text(dumps(plan, indent=1) + "\n")
        (draft / CARD).write_text(card(self, folder), encoding="utf-8")
        if self.picture:
            (draft / PICTURE).write_text(self.picture, encoding="utf-8")

    def to_json(self, out: Path | None) -> dict[str, Any]:
        """As the command line prints it."""
        return {
            "trial": self.trial,
            "out": None if out is None else str(out),
            "values": dict(self.values),
            "test": dict(self.test),
            "dense_test": dict(self.dense_test),
            "plan": self.plan.to_json(),
        }


def check_out(folder: Path) -> None:
    """Raise :class:`UsageError` unless a picked model can be written to this folder."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder; choose another --out")
    known = (folder / PLAN).exists() or (folder / DRAFT).is_dir()
    if folder.exists() and not known and any(folder.iterdir()):
        raise UsageError(f"{folder} exists and holds something else; choose another --out")
    parent = next(p for p in [folder, *folder.absolute().parents] if p.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write {folder}: {parent} is no folder that can be written to")


def task_json(record: RunRecord) -> dict[str, Any] | None:
    """The task's source as plain data, if it has one."""
    return None if record.source is None else record.source.to_json()


def load(folder: str | Path, task: Task | None = None) -> nn.Module:
    """The model of a picked folder, in eval mode; nothing is unpickled.

    Args:
        folder: what :meth:`Picked.save` wrote.
        task: builds the dense model; default: the task that the plan names.

    Raises:
        UsageError: a file is missing, damaged or belongs to another model.
    """
    folder = Path(folder)
    plan, source = read_plan(folder)
    state = read_weights(folder)
    task = task_for(folder, source, task)
    model = built(folder, task)
    if plan.keep is not None:
        model = shrink(model, task_tree(task, model), plan.granularity, plan.keep)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UsageError(f"the weights in {folder} do not fit its plan: {error}") from error
    return model.eval()


def built(folder: Path, task: Task) -> nn.Module:
    """The dense model of a picked folder's task.

    Raises:
        UsageError: a file that the task reads is not there.
    """
    try:
        return task.build_model()
    except FileNotFoundError as error:
        raise UsageError(
            f"the task of {folder} reads a file that is not there: {error.filename or error}. Call "
            f"it from the folder that the study was started in, or let the task find its files "
            f"from any folder: Path(__file__).with_name(...)"
        ) from error


def task_for(folder: Path, source: dict[str, Any] | None, task: Task | None) -> Task:
    """The task given, or the one that the plan names.

    Raises:
        UsageError: there is neither.
    """
    if task is not None:
        return task
    if source is None:
        raise UsageError(f"the task of {folder} was a Python object: pass it as task=...")
    return TaskSource.from_json(source).load()


def read_plan(folder: Path) -> tuple[PruningPlan, dict[str, Any] | None]:
    """Plan and task source of a picked folder.

    Raises:
        UsageError: there is none, or it is damaged.
    """
    path = folder / PLAN
    if not path.is_file():
        raise UsageError(f"{folder} is no picked model: there is no {PLAN} in it")
    return read_plan_file(path)


def read_plan_file(path: Path) -> tuple[PruningPlan, dict[str, Any] | None]:
    """Plan and task source in one file.

    Raises:
        UsageError: it cannot be read, or it is damaged.
    """
    try:
        data = json.loads(path.read_text())
        return PruningPlan.from_json(data), data.get("task")
    except OSError as error:
        raise UsageError(f"cannot read the plan {path}: {error.strerror}") from error
    except (ValueError, AttributeError) as error:
        raise UsageError(f"{path} is damaged: {error}") from error


def read_int8(folder: Path, model: nn.Module, task: Task) -> OnnxModel:
    """The quantised model of a picked folder.

    Args:
        folder: what :meth:`Picked.save` wrote.
        model: what it was made of.
        task: gives validation inputs.

    Raises:
        UsageError: there is none, it is damaged, or onnxruntime is not installed.
    """
    path = folder / INT8
    if not path.is_file():
        raise UsageError(f"the plan in {folder} is of a quantised model, and {INT8} is missing")
    inputs, _ = next(iter(task.batches("val")))
    try:
        return OnnxModel(path.read_bytes(), model, inputs)
    except ImportError as error:
        raise UsageError(f'{path} needs {error.name}: pip install "hierprune[onnx]"') from error
    except Exception as error:
        raise UsageError(f"{path} is damaged: {error}") from error


def read_weights(folder: Path) -> dict[str, Any]:
    """State dict of a picked folder.

    Raises:
        UsageError: there is none, or it is damaged.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise UsageError(f"{folder} is no picked model: there is no {WEIGHTS} in it")
    return dict(load_state(path))
