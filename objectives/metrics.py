"""Ready-made metrics for :class:`hierprune.Task`: per sample where a mean tells all, else streamed.

    metrics={
        "f1": metrics.f1(classes=10),
        "top5": metrics.top_k(5),
        "age_error": metrics.mae(head("age")),
    }

Every one takes ``select``, which gives it ``(outputs, targets)`` of its part of a model with
several heads; :func:`head` picks them by name or position. Those of a whole split are computed by
torchmetrics (``pip install "hierprune[metrics]"``), which is imported at first use.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from ..errors import UsageError
from ..task import Metric, Select, Streamed

Average = Literal["macro", "micro", "none"]


@dataclass(frozen=True)
class Head:
    """Outputs and targets of one head, by name or position; one target serves all heads."""

    key: Any

    def __call__(self, outputs: Any, targets: Any) -> tuple[Any, Any]:
        """The two of this head."""
        several = isinstance(targets, dict | list | tuple)
        return outputs[self.key], targets[self.key] if several else targets


def head(key: Hashable) -> Head:
    """Selects one head."""
    return Head(key)


def whole(outputs: Any, targets: Any) -> tuple[Any, Any]:
    """Selects everything."""
    return outputs, targets


@dataclass(frozen=True)
class PerSample:
    """A per-sample function of one head."""

    fn: Callable[[Any, Any], Tensor]
    select: Select

    def __call__(self, outputs: Any, targets: Any) -> Tensor:
        """Values (B,)."""
        return self.fn(*self.select(outputs, targets))


@dataclass(frozen=True)
class TopK:
    """1 where the target is among the k largest outputs (B, classes), else 0."""

    k: int

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Hits (B,)."""
        return (outputs.topk(self.k, dim=1).indices == targets[:, None]).any(dim=1).float()


@dataclass(frozen=True)
class Error:
    """Mean of |output - target| ** power over all but the batch dimension."""

    power: int

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Errors (B,)."""
        off = (outputs.reshape(targets.shape) - targets).abs() ** self.power
        return off.flatten(1).mean(dim=1) if off.dim() > 1 else off


def top_k(k: int, select: Select = whole) -> Metric:
    """Share of samples whose target is among the k largest outputs."""
    return Metric(PerSample(TopK(k), select))


def mae(select: Select = whole, unit: str = "") -> Metric:
    """Mean absolute error."""
    return Metric(PerSample(Error(1), select), "minimize", unit)


def mse(select: Select = whole, unit: str = "") -> Metric:
    """Mean squared error."""
    return Metric(PerSample(Error(2), select), "minimize", unit)


@dataclass(frozen=True)
class Made:
    """A torchmetrics metric, made anew by class name and arguments.

    Attributes:
        name: of the class in ``torchmetrics`` or, with dots, of its submodule.
        arguments: by name, in a tuple that hashes and pickles.
        index: of the number that counts where the metric gives several; None for the only one.
    """

    name: str
    arguments: tuple[tuple[str, Any], ...] = ()
    index: int | None = None

    def __call__(self) -> Any:
        """A metric that has seen nothing.

        Raises:
            UsageError: torchmetrics is not installed.
        """
        if importlib.util.find_spec("torchmetrics") is None:
            raise UsageError(
                "this metric needs torchmetrics, not installed here: "
                'pip install "hierprune[metrics]"'
            )
        module, _, name = f"torchmetrics.{self.name}".rpartition(".")
        made = getattr(importlib.import_module(module), name)(**dict(self.arguments))
        return made if self.index is None else Indexed(made, self.index)


@dataclass(frozen=True)
class Indexed:
    """One of the numbers that a metric gives."""

    metric: Any
    index: int

    def update(self, outputs: Any, targets: Any) -> None:
        """Take a batch."""
        self.metric.update(outputs, targets)

    def compute(self) -> Any:
        """The number."""
        return self.metric.compute()[self.index]


def classification(
    name: str, classes: int, average: Average, of: int | None, select: Select
) -> Streamed:
    """A metric of classes; of logits (B, 1) or (B,) where there are two classes of one output."""
    arguments = (("task", "multiclass"), ("num_classes", classes), ("average", average))
    return Streamed(Made(name, arguments, of), select=select)


def f1(
    classes: int, average: Average = "macro", of: int | None = None, select: Select = whole
) -> Streamed:
    """F1 of classes: the mean over classes, over samples (micro), or ``of`` one with "none"."""
    return classification("F1Score", classes, average, of, select)


def precision(
    classes: int, average: Average = "macro", of: int | None = None, select: Select = whole
) -> Streamed:
    """Precision, as :func:`f1` averages."""
    return classification("Precision", classes, average, of, select)


def recall(
    classes: int, average: Average = "macro", of: int | None = None, select: Select = whole
) -> Streamed:
    """Recall, as :func:`f1` averages."""
    return classification("Recall", classes, average, of, select)


def auc(classes: int, of: int | None = None, select: Select = whole) -> Streamed:
    """Area under the ROC curve, mean over classes against the rest, or ``of`` one."""
    return classification("AUROC", classes, "macro" if of is None else "none", of, select)


def r2(select: Select = whole) -> Streamed:
    """Share of the targets' variance that is explained."""
    return Streamed(Made("R2Score"), select=select)


def perplexity(ignore: int | None = None, select: Select = whole) -> Streamed:
    """Exp of the mean negative log-likelihood; outputs (B, T, words) logits, targets (B, T)."""
    arguments = (("ignore_index", ignore),)
    return Streamed(Made("text.Perplexity", arguments), "minimize", select=select)


def word_error_rate(decode: Callable[[Any, Any], tuple[Sequence[str], Sequence[str]]]) -> Streamed:
    """Edits per word; ``decode(outputs, targets)`` gives sentences said and sentences due.

    Of phonemes where a sentence is phonemes with spaces between them.
    """
    return Streamed(Made("text.WordErrorRate"), "minimize", select=decode)
