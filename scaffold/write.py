"""From answers to a task file, and the proof that it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from ..data.weights import weights
from ..errors import UsageError, unknown
from ..studies.check import check_task
from ..studies.source import TaskSource
from ..studies.user_code import running
from .metrics import METRICS, MetricCode
from .places import find
from .sources import Columns, relative, source
from .text import Model, task_file


@dataclass(frozen=True)
class Answers:
    """What a task file is made of.

    Attributes:
        model: ``FILE.py:NAME`` or ``PACKAGE.MODULE:NAME`` of a class, a function or a module.
        data: see :func:`.sources.source`.
        metric: a name of :data:`.metrics.METRICS`, or the place of a per-sample function.
        arguments: of the model, by keyword.
        weights: file of trained weights.
        epochs: to train for; 0 when the model comes trained.
        columns: about the data.
    """

    model: str
    data: str
    metric: str
    columns: Columns
    arguments: Mapping[str, Any] = field(default_factory=dict)
    weights: Path | None = None
    epochs: int = 0


def write_task(answers: Answers, out: Path) -> str:
    """Write the task file.

    Returns:
        What is wrong with the task; empty when it can be searched as it stands.

    Raises:
        UsageError: the file exists, or an answer cannot work; nothing was written.
    """
    check_new(out)
    text = task_text(answers, out)
    with out.open("x") as file:
        file.write(text)
    try:
        check_task(TaskSource.parse(f"{out}:task").load())
    except UsageError as error:
        return str(error)
    return ""


def check_new(out: Path) -> None:
    """Raise :class:`UsageError` unless a new task file can be written there."""
    if out.suffix != ".py" or not out.stem.isidentifier():
        raise UsageError(f"--out must be a Python file such as my_task.py, got {out}")
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out} exists already; choose another --out")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent} to write {out.name} to")


def task_text(answers: Answers, out: Path) -> str:
    """The content of the task file.

    Raises:
        UsageError: an answer cannot work.
    """
    folder = out.parent
    model = model_of(answers, folder)
    data = source(answers.data, folder, answers.columns)
    metric, own = metric_of(answers.metric, folder)
    name = out.stem.replace("_", "-")
    return task_file(name, out.name, model, data, metric, {model.place.line, *data.imports, *own})


def model_of(answers: Answers, folder: Path) -> Model:
    """How the model is made.

    Raises:
        UsageError: it does not give a ``torch.nn.Module``, or its weights do not fit.
    """
    place = find(answers.model, folder, "--model")
    is_module = isinstance(place.found, nn.Module)
    if is_module and answers.arguments:
        raise UsageError(f"{place.name} is a module that is made already: --arg is not for it")
    if not callable(place.found):
        raise UsageError(f"--model {place.name} must be a class, a function or a module")
    where = None if answers.weights is None else relative(answers.weights, folder)
    model = Model(place, answers.arguments, is_module, where, answers.epochs)
    with running(model.call):
        made = place.found if is_module else place.found(**answers.arguments)
    if not isinstance(made, nn.Module):
        raise UsageError(f"{model.call} must give a torch.nn.Module, got {type(made).__name__}")
    if answers.weights is not None:
        state = weights(answers.weights)
        try:
            made.load_state_dict(state)
        except RuntimeError as error:
            raise UsageError(f"{answers.weights} does not fit {model.call}: {error}") from error
    return model


def metric_of(name: str, folder: Path) -> tuple[MetricCode, list[str]]:
    """How the metric is written down, and the import statements of the user's own.

    Raises:
        UsageError: there is no such metric.
    """
    if name in METRICS:
        return METRICS[name], []
    if ":" not in name:
        raise UsageError(f"{unknown('metric', name, METRICS)}; or FILE.py:FUNCTION")
    own = find(name, folder, "--metric")
    fields = f'metrics={{"{own.name}": {own.name}}},  # one value per sample, larger is better'
    return MetricCode(fields), [own.line]
