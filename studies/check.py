"""Looking at a task before any work is done with it: all of its problems, in one error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, get_args

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..objectives.modes import measuring
from ..objectives.registry import BUILT_IN
from ..task import Batch, Direction, Split, Streamed, Task, batch_size, forward

RESERVED = {"loss", "dense", *BUILT_IN}


def check_task(task: Task) -> None:
    """See that a task can be searched: its splits, one forward, the loss and the metrics.

    One batch of train and of val is read; the test split is not read. The global generator and
    the task are left as they were.

    Raises:
        UsageError: all problems that were found, one a line.
    """
    with torch.random.fork_rng():
        problems = list(find_problems(task))
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise UsageError(f"the task {task.name!r} cannot be searched:\n{lines}")


def find_problems(task: Task) -> Iterator[str]:
    """Everything that is wrong, in the order of the journey."""
    yield from name_problems(task)
    batches: dict[Split, Batch] = {}
    for split in ("train", "val"):
        found = first_batch(task, split)
        if isinstance(found, str):
            yield found
        else:
            batches[split] = found
    yield from test_problems(task)
    model = built(task)
    if isinstance(model, str):
        yield model
    elif "val" in batches:
        yield from model_problems(task, model, batches["val"])


def name_problems(task: Task) -> Iterator[str]:
    """Metrics that could not be told from other objectives, not be written, or not be improved."""
    for name in task.metrics:
        direction = task.metric(name).direction
        if direction not in get_args(Direction):
            yield f"the metric {name!r} goes to {direction!r}, not 'minimize' or 'maximize'"
        if name in RESERVED:
            yield f"a metric must not be called {name!r}: that name is an objective of every task"
        elif not re.fullmatch(r"[^\W\d][\w.-]*", name):
            yield f"a metric's name must be letters, digits, '_', '-' and '.', got {name!r}"


def first_batch(task: Task, split: Split) -> Batch | str:
    """The first batch of a split, or what is wrong with it."""
    try:
        batches = task.batches(split)
        if batches is getattr(task, split) and isinstance(batches, Iterator):
            return f"{split} is an iterator, read only once; give a list, a loader or a function"
        batch = next(iter(batches), None)
    except Exception as error:
        return f"{split} cannot be read: {said(error)}"
    if batch is None:
        return f"{split} is empty: it must hold at least one batch"
    if not isinstance(batch, list | tuple) or len(batch) != 2:
        return f"a batch of {split} must be (inputs, targets), got {shapes(batch)}"
    try:
        size = batch_size(batch[0])
    except (AssertionError, StopIteration, TypeError):
        return f"the inputs of {split} hold no tensor with a batch dimension: {shapes(batch[0])}"
    return (batch[0], batch[1]) if size else f"the first batch of {split} has no samples"


def test_problems(task: Task) -> Iterator[str]:
    """Whether there is a test split, as far as can be told without reading it."""
    if task.test is None:
        yield "test is missing: it must hold batches that are read once, when a model is picked"
    with suppress(TypeError):  # a length that is not known
        if len(task.test) == 0:  # type: ignore[arg-type]
            yield "test is empty: it must hold at least one batch"


def built(task: Task) -> nn.Module | str:
    """A new model, or what is wrong with it."""
    try:
        model = task.build_model()
    except Exception as error:
        return f"build_model raises {said(error)}"
    if not isinstance(model, nn.Module):
        return f"build_model must give a torch.nn.Module, got {type(model).__name__}"
    return model


def model_problems(task: Task, model: nn.Module, batch: Batch) -> Iterator[str]:
    """Forwards that fail, and what loss and metrics make of the outputs."""
    inputs, targets = batch
    try:
        with measuring(model):
            given = "example_inputs" if task.example_inputs is not None else "the head of val"
            example = task.example()
            forward(model, example)
            given, example = "a batch of val", inputs
            with torch.enable_grad():
                outputs = forward(model, inputs)
    except Exception as error:
        yield f"the model fails on {given}, {shapes(example)}: {said(error)}"
        return
    trainable = any(p.requires_grad for p in model.parameters())
    yield from loss_problems(task, outputs, targets, trainable)
    for name in task.metrics:
        yield from metric_problems(task, name, outputs, batch)


def loss_problems(task: Task, outputs: Any, targets: Any, trainable: bool) -> Iterator[str]:
    """A loss that gives no finite scalar that can be differentiated."""
    try:
        loss = task.loss(outputs, targets)
    except Exception as error:
        given = f"outputs {shapes(outputs)}, targets {shapes(targets)}"
        yield f"the loss fails on {given}: {said(error)}"
        return
    if not isinstance(loss, Tensor) or loss.dim() != 0:
        yield f"the loss must give a scalar tensor, the mean over the batch, got {shapes(loss)}"
    elif not loss.isfinite():
        yield f"the loss must be finite, got {loss.item()} on the first batch of val"
    elif trainable and not loss.requires_grad:
        yield "the loss must have a gradient: its value does not depend on the outputs by autograd"


def metric_problems(task: Task, name: str, outputs: Any, batch: Batch) -> Iterator[str]:
    """A metric that does not give one number per sample."""
    inputs, targets = batch
    size = batch_size(inputs)
    try:
        metric = task.metric(name)
        if isinstance(metric, Streamed):
            stream = metric.make()
            stream.update(*metric.select(outputs, targets))
            float(stream.compute())
            return
        value = metric.fn(outputs, targets)
    except Exception as error:
        yield f"the metric {name!r} fails on outputs {shapes(outputs)}: {said(error)}"
        return
    if not isinstance(value, Tensor) or value.shape != (size,):
        yield (
            f"the metric {name!r} must give one value per sample, shape ({size},), "
            f"got {shapes(value)}"
        )


def shapes(value: Any) -> str:
    """What a nested value looks like: the shapes of its tensors, else its types.

    >>> shapes({"x": torch.zeros(2, 3), "n": [1, torch.zeros(())]})
    "{'x': (2, 3), 'n': [int, ()]}"
    """
    if isinstance(value, Tensor):
        return str(tuple(value.shape))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k!r}: {shapes(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shapes, value))}]"
    return type(value).__name__


def said(error: Exception) -> str:
    """The type and the first line of an error."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0] if text else ''}"
