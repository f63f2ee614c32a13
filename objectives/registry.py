"""Every objective by the name that the command line knows it by."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..errors import unknown
from ..task import Task
from .base import Objective
from .fidelity import Agreement, Divergence
from .footprint import ActivationMemory, EntropyCoded, NonZeros, OnnxSize, Size
from .latency import Latency
from .penalised import PenalisedLoss
from .quality import Quality
from .robustness import KINDS, Robustness
from .size import Compression, Macs, Params

DEFAULT = ("accuracy", "latency", "compression")

BUILT_IN: Mapping[str, Callable[[], Objective]] = {
    "params": Params,
    "macs": Macs,
    "compression": Compression,
    "latency": Latency,
    "nonzeros": NonZeros,
    "size": Size,
    "entropy_coded": EntropyCoded,
    "onnx_size": OnnxSize,
    "activations": ActivationMemory,
    "agreement": Agreement,
    "kl": Divergence,
    "penalised_loss": PenalisedLoss,
}
QUALITIES = frozenset({"agreement", "kl"})
"""Those of :data:`BUILT_IN` that compare with guessing rather than with dense at no cost."""


def objective(name: str, task: Task) -> Objective:
    """The objective of that name: ``loss``, a metric of the task, or one of :data:`BUILT_IN`.

    ``penalised_loss_0.1`` is the penalised loss with that weight.

    Raises:
        UsageError: there is none.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]()
    if name == "loss":
        return Quality(name, "minimize")
    penalised = PenalisedLoss.called(name)
    if penalised is not None and name not in task.metrics:
        return penalised
    kind, _, base = name.partition("_")
    if kind in KINDS and base in (*task.metrics, "loss"):
        quality = objective(base, task)
        return Robustness(kind, base, quality.direction, quality.unit)
    if name not in task.metrics:
        raise unknown("objective", name, names(task))
    metric = task.metric(name)
    return Quality(name, metric.direction, metric.unit)


def is_quality(one: Objective) -> bool:
    """Whether it says how good the answers are, so that guessing is its worst."""
    return isinstance(one, Quality | Robustness | PenalisedLoss) or one.name in QUALITIES


def names(task: Task) -> list[str]:
    """What :func:`objective` knows for this task."""
    qualities = [*task.metrics, "loss"]
    return [*qualities, *BUILT_IN, *(f"{kind}_{q}" for kind in KINDS for q in qualities)]


def defaults(task: Task) -> tuple[str, ...]:
    """:data:`DEFAULT`, where the task's first metric (else the loss) stands for a missing one."""
    quality = DEFAULT[0] if DEFAULT[0] in task.metrics else next(iter(task.metrics), "loss")
    return (quality, *DEFAULT[1:])
