"""Numbers that may be tried: all of a span, or a few."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UsageError


@dataclass(frozen=True)
class Span:
    """All numbers from ``low`` to ``high``."""

    low: float
    high: float

    def __post_init__(self) -> None:
        """Check that there are some."""
        if not self.low < self.high < math.inf:
            raise UsageError(f"a range goes from a number to a larger one, got {self}")

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}"


Numbers = Span | tuple[float, ...]


def numbers(value: str | float | Sequence[float] | Span) -> Numbers:
    """What a user's words stand for.

    >>> numbers("1e-4..3e-3"), numbers("0, 0.3"), numbers(0.5)
    (Span(low=0.0001, high=0.003), (0.0, 0.3), (0.5,))

    Raises:
        UsageError: they are no number, list of numbers, or range.
    """
    if isinstance(value, Span):
        return value
    parts = str(value).split("..") if isinstance(value, str) else []
    try:
        if len(parts) == 2:
            return Span(float(parts[0]), float(parts[1]))
        listed = value.split(",") if isinstance(value, str) else value
        found = tuple(map(float, listed if isinstance(listed, Sequence) else (listed,)))
    except (TypeError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{value!r} is no number; write 0.001, 0,0.3,0.7 or 1e-4..3e-3") from None
    if not found or not all(map(math.isfinite, found)):
        raise UsageError(f"{value!r} is no finite number; write 0.001, 0,0.3,0.7 or 1e-4..3e-3")
    return tuple(dict.fromkeys(found))
