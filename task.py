"""What the user brings: a model, its data, its loss and its metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .limits import UNLIMITED, Limits

Inputs = Tensor | Sequence[Any] | Mapping[str, Any]
"""What one call of the model takes: ``model(x)``, ``model(*xs)`` or ``model(**xs)``."""
Batch = tuple[Inputs, Any]
"""What a loader yields: ``(inputs, targets)``, the batch dimension first."""
Batches = Iterable[Batch]
Split = Literal["train", "val", "test"]
Direction = Literal["minimize", "maximize"]


def forward(model: nn.Module, inputs: Inputs) -> Any:
    """Call ``model`` on ``inputs``: a mapping by name, a list or tuple by position, else as one."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    if isinstance(inputs, list | tuple):
        return model(*inputs)
    return model(inputs)


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Top-1 hits, one 0 or 1 per sample: outputs (B, classes), targets (B,)."""
    return (outputs.argmax(dim=1) == targets).float()


@dataclass(frozen=True)
class Metric:
    """A quality measured per sample: ``fn(outputs, targets)`` gives shape (B,); its mean counts."""

    fn: Callable[[Any, Any], Tensor]
    direction: Direction = "maximize"
    unit: str = ""


Select = Callable[[Any, Any], tuple[Any, Any]]
"""From ``(outputs, targets)`` of the model to those of one metric: a head, or decoded text."""


def as_they_are(outputs: Any, targets: Any) -> tuple[Any, Any]:
    """Selects everything."""
    return outputs, targets


@dataclass(frozen=True)
class Streamed:
    """A quality of a whole split that is no mean over samples: F1, AUC, perplexity.

    Attributes:
        make: gives an object with ``update(outputs, targets)`` and ``compute()``, as those of
            torchmetrics; see ``hierprune.objectives.metrics`` for ready-made ones.
        direction: which way is better.
        unit: what one stands for; ``""`` for a share.
        select: gives the outputs and targets that it sees.
    """

    make: Callable[[], Any]
    direction: Direction = "maximize"
    unit: str = ""
    select: Select = as_they_are


@dataclass(frozen=True)
class Training:
    """How a dense model is trained from scratch: AdamW or SGD under a one-cycle schedule.

    Attributes:
        epochs: passes over the train split.
        lr: highest learning rate of the cycle.
        optimizer: ``"adamw"`` or ``"sgd"`` (Nesterov momentum 0.9).
        weight_decay: on weights with two or more dimensions only.
        seed: of initialisation and data order.
    """

    epochs: int
    lr: float = 1e-3
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = 1e-4
    seed: int = 0


@dataclass(frozen=True)
class Task:
    """A model, its data, its loss and its metrics; built where it runs.

    Args:
        name: what the study is called.
        build_model: gives a new model; already trained, unless ``training`` is set.
        train: batches for calibration and fine-tuning.
        val: batches the search is scored on.
        test: batches that are read once, when a model is picked.
        loss: ``loss(outputs, targets)``, the mean over the batch as a scalar tensor.
        metrics: by name, :class:`Metric`, :class:`Streamed`, or a plain per-sample function
            (larger is better).
        example_inputs: what one forward takes, batch of 1 or 2; default: the head of ``val``.
        more_inputs: further inputs of one forward, for models that go another way on them.
        outputs: names (of a mapping) or positions (of a list or tuple) of the outputs that must
            keep their width; default: all.
        survivors: let means and variances over units, wherever the model takes them, run over the
            units that stay (see ``hierprune.inspect``).
        limits: of time and memory for finding what can be pruned; default: none.
        training: set when ``build_model`` gives an untrained model.
        data: what to call the data in everything printed.
        licence: of the data, for the card of a picked model.

    The three splits are iterables of ``(inputs, targets)``, or functions without arguments that
    give one (built late, on the worker). They must be disjoint.
    """

    name: str
    build_model: Callable[[], nn.Module]
    train: Batches | Callable[[], Batches]
    val: Batches | Callable[[], Batches]
    test: Batches | Callable[[], Batches]
    loss: Callable[[Any, Any], Tensor] = nn.functional.cross_entropy
    metrics: Mapping[str, Metric | Streamed | Callable[[Any, Any], Tensor]] = field(
        default_factory=lambda: {"accuracy": accuracy}
    )
    example_inputs: Inputs | None = None
    more_inputs: Sequence[Inputs] = ()
    outputs: Sequence[str | int] | None = None
    survivors: bool = False
    limits: Limits = UNLIMITED
    training: Training | None = None
    data: str = ""
    licence: str = ""

    def batches(self, split: Split) -> Batches:
        """The batches of one split; a function is called anew at every call."""
        source = getattr(self, split)
        batches: Batches = source() if callable(source) else source
        return batches

    def metric(self, name: str) -> Metric | Streamed:
        """The metric of that name, plain functions wrapped.

        Raises:
            KeyError: there is none.
        """
        found = self.metrics[name]
        return found if isinstance(found, Metric | Streamed) else Metric(found)

    def example(self) -> Inputs:
        """Inputs of one small forward, batch of 1: ``example_inputs`` or the head of ``val``."""
        if self.example_inputs is not None:
            return self.example_inputs
        inputs: Inputs = next(iter(self.batches("val")))[0]
        return head(inputs, 1)


def head(inputs: Inputs, n: int) -> Inputs:
    """The first ``n`` samples of a batch of inputs."""
    if isinstance(inputs, Mapping):
        return {k: head_of(v, n) for k, v in inputs.items()}
    if isinstance(inputs, list | tuple):
        return tuple(head_of(v, n) for v in inputs)
    first: Inputs = head_of(inputs, n)
    return first


def head_of(value: Any, n: int) -> Any:
    """The first ``n`` rows of a tensor with a batch dimension; anything else as it is."""
    return value[:n] if isinstance(value, Tensor) and value.dim() > 0 else value


def batch_size(inputs: Inputs) -> int:
    """How many samples a batch of inputs holds: the length of its first tensor."""
    if isinstance(inputs, Mapping):
        inputs = tuple(inputs.values())
    if isinstance(inputs, list | tuple):
        inputs = next(v for v in inputs if isinstance(v, Tensor) and v.dim() > 0)
    assert isinstance(inputs, torch.Tensor)
    return len(inputs)
