"""Time of one forward, measured beside the dense model, or predicted from a table of such times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from torch import nn

from ..errors import unknown
from ..task import Direction, Inputs, Task
from .base import Candidate, Measurement
from .latency_table import LatencyTable, shapes_of
from .memo import once
from .runtime import Setting
from .timing import compare, ratio

NARROW = 0.01
"""Half the interval, relative, of the dense model beside itself that is enough to know its time."""

Mode = Literal["predicted", "measured"]
MODES: tuple[Mode, ...] = ("predicted", "measured")


@dataclass(frozen=True)
class LatencyOptions:
    """How a study knows latency.

    Attributes:
        mode: of trials: predicted from a table of times measured once, or each measured.
        setting: of the runtime.
    """

    mode: Mode = "predicted"
    setting: Setting = field(default_factory=Setting)

    def __post_init__(self) -> None:
        """Check the mode."""
        if self.mode not in MODES:
            raise unknown("latency", self.mode, MODES)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LatencyOptions:
        """The options that :meth:`to_json` wrote."""
        return cls(data["mode"], Setting.from_json(data["setting"]))


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one forward, by measuring: (model time / dense time) x the dense time.

    Both run in turns, as :mod:`.timing` does it, and the dense time in ms is measured once, so load
    that comes and goes between trials cancels. The interval is that of the ratio: what the machine
    did when dense was timed does not blur the comparison of models.

    Attributes:
        setting: of the runtime.
        seconds: time for one model; slow models get fewer rounds, at least six.
        dense_ms: the dense time; measured at first use when None.
    """

    setting: Setting = field(default_factory=Setting)
    seconds: float = 0.15
    dense_ms: float | None = None

    name: ClassVar[str] = "latency"
    unit: ClassVar[str] = "ms"
    direction: ClassVar[Direction] = "minimize"

    def __call__(self, candidate: Candidate) -> Measurement:
        """Time the model beside dense."""
        inputs = inputs_of(self.setting, candidate.task, candidate.dense)
        reference = self.dense_ms or dense_ms(self.setting, candidate.dense, inputs, self.seconds)
        if candidate.model is candidate.dense:
            return Measurement(reference)
        times = compare(
            self.setting, candidate.answers, candidate.dense, inputs, seconds=self.seconds
        )
        return scaled(ratio(times), reference)


@dataclass(frozen=True, eq=False)
class PredictedLatency:
    """Milliseconds of one forward as a table of measured times predicts them from the shapes.

    The interval is the prediction's: of the errors on held-out plans, 95 % are within it.

    Attributes:
        table: of times.
        dense_ms: the dense time.
    """

    table: LatencyTable
    dense_ms: float

    name: ClassVar[str] = "latency"
    unit: ClassVar[str] = "ms"
    direction: ClassVar[Direction] = "minimize"

    def __call__(self, candidate: Candidate) -> Measurement:
        """Predict; nothing is run."""
        if candidate.model is candidate.dense:
            return Measurement(self.dense_ms)
        return scaled(self.table.predict(shapes_of(candidate.model)), self.dense_ms)


def inputs_of(setting: Setting, task: Task, dense: nn.Module) -> Inputs:
    """The inputs of one forward, made once."""
    key = ("inputs", setting.batch, setting.shape)
    return once(dense, key, lambda: setting.inputs(task))


def dense_ms(setting: Setting, dense: nn.Module, inputs: Inputs, seconds: float) -> float:
    """Milliseconds of one forward of the dense model alone, measured once."""

    def measure() -> float:
        times = compare(setting, dense, dense, inputs, seconds=seconds, narrow=NARROW)
        return float(np.median(times)) * 1000

    return once(dense, ("dense_ms", setting), measure)


def scaled(found: Measurement, factor: float) -> Measurement:
    """A value and its interval times a factor."""
    low, high = found.low, found.high
    if low is None or high is None:
        return Measurement(found.value * factor)
    return Measurement(found.value * factor, low * factor, high * factor)
