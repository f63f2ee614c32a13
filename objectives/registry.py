"""Every objective by the name that the command line knows it by."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..errors import unknown
from ..task import Task
from .base import Objective
from .latency import Latency
from .quality import Quality
from .size import Compression, Macs, Params

DEFAULT = ("accuracy", "latency", "compression")

BUILT_IN: Mapping[str, Callable[[], Objective]] = {
    "params": Params,
    "macs": Macs,
    "compression": Compression,
    "latency": Latency,
}
"""The objectives of every task, beside ``loss`` and the task's metrics."""


def objective(name: str, task: Task) -> Objective:
    """The objective of that name: ``loss``, a metric of the task, or one of :data:`BUILT_IN`.

    Raises:
        UsageError: there is none.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]()
    if name == "loss":
        return Quality(name, "minimize")
    if name not in task.metrics:
        raise unknown("objective", name, names(task))
    metric = task.metric(name)
    return Quality(name, metric.direction, metric.unit)


def names(task: Task) -> list[str]:
    """What :func:`objective` knows for this task."""
    return [*task.metrics, "loss", *BUILT_IN]


def defaults(task: Task) -> tuple[str, ...]:
    """:data:`DEFAULT`, where the task's first metric (else the loss) stands for a missing one."""
    quality = DEFAULT[0] if DEFAULT[0] in task.metrics else next(iter(task.metrics), "loss")
    return (quality, *DEFAULT[1:])
