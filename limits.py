"""How long, and with how much memory, it may be looked for what can be pruned."""

from __future__ import annotations

import math
import resource
import sys
import time
from dataclasses import dataclass

from .errors import UsageError

PEAK_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes that one unit of ``ru_maxrss`` stands for."""


@dataclass(frozen=True)
class Limits:
    """What finding what can be pruned may take; what was found until then is used.

    Attributes:
        seconds: of time.
        gigabytes: by which the highest memory use of the process may grow meanwhile.

    Raises:
        UsageError: one is negative.
    """

    seconds: float = math.inf
    gigabytes: float = math.inf

    def __post_init__(self) -> None:
        """Check the range."""
        if not (self.seconds >= 0 and self.gigabytes >= 0):
            raise UsageError(f"limits must be 0 or more, got {self}")

    def begin(self) -> Allowance:
        """From now on."""
        return Allowance(time.monotonic() + self.seconds, peak_bytes() + 1e9 * self.gigabytes, self)


@dataclass(frozen=True)
class Allowance:
    """Limits with a beginning.

    Attributes:
        deadline: on ``time.monotonic()``.
        peak: bytes of memory of the process.
        limits: that it was made of.
    """

    deadline: float
    peak: float
    limits: Limits

    @property
    def spent(self) -> str:
        """Which limit has been passed, in words; empty while none is."""
        if time.monotonic() > self.deadline:
            return f"the time limit of {self.limits.seconds:g} s"
        if self.limits.gigabytes < math.inf and peak_bytes() > self.peak:
            return f"the memory limit of {self.limits.gigabytes:g} GB"
        return ""


def peak_bytes() -> int:
    """The most memory that this process has had so far."""
    return PEAK_UNIT * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


UNLIMITED = Limits()
