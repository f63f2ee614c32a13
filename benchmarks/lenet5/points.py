"""The rows of the table: what is pruned how far, and the bar that it should reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Widths = tuple[int, int, int]
"""Channels of both convolutions, neurons of the hidden layer."""

WHOLE: Widths = (20, 50, 500)
GROUPS = ("conv1", "conv2", "fc1")


@dataclass(frozen=True)
class Point:
    """One row.

    Attributes:
        name: of the row.
        bar: test accuracy to reach, mean over the seeds; ``None`` for comparisons.
        granularity: ``"weight"``, ``"channel"``, or ``""`` for a network trained as it is.
        density: kept share of the weights, by layer.
        widths: of the network, where structures go and where it is trained as it is.
        epochs: passes over the data; pruned networks come after those of the dense one.
        shown: what it is compared with, for the table.
    """

    name: str
    bar: float | None
    granularity: str = ""
    density: Mapping[str, float] = field(default_factory=dict)
    widths: Widths = WHOLE
    epochs: int = 8
    shown: str = ""

    @property
    def shares(self) -> Mapping[str, float]:
        """Kept share by group, as a plan has it."""
        if self.granularity == "channel":
            counts = zip(GROUPS, self.widths, WHOLE, strict=True)
            return {name: now / was for name, now, was in counts}
        return self.density


def weights(name: str, bar: float, shown: str, *density: float) -> Point:
    """Single weights, by the densities of conv1, conv2, fc1, fc2."""
    shares = dict(zip((*GROUPS, "fc2"), density, strict=True))
    return Point(name, bar, "weight", shares, shown=shown)


def structures(
    name: str, bar: float, shown: str, widths: Widths, epochs: int
) -> tuple[Point, Point]:
    """A cut network, and the same trained from scratch for the epochs of dense and cut together."""
    cut = Point(name, bar, "channel", widths=widths, epochs=epochs, shown=shown)
    both = DENSE.epochs + epochs
    return cut, Point(f"{name}, from scratch", None, widths=widths, epochs=both)


DENSE = Point("dense", 0.9955, epochs=12)
_HALF = structures("structured, 2.5x fewer parameters", 0.9955, "", (20, 45, 200), 8)
_TENTH = structures("structured, 10x fewer parameters", 0.9950, "", (16, 35, 50), 8)
_SMALL = structures(
    "structured, <= 79k MACs", 0.990, "Bayesian compression: 99.0 % at 79k", (2, 12, 50), 16
)
_TINY = structures("structured, <= 40k MACs", 0.988, "", (1, 13, 20), 16)

POINTS = (
    DENSE,
    weights("weights 10x", 0.9955, "", 0.7, 0.25, 0.085, 0.3),
    weights("weights 100x", 0.9945, "DNS: 99.09 % at 108x", 0.3, 0.056, 0.00475, 0.055),
    *_SMALL,
    weights("weights 280x", 0.9925, "Sparse VD: 99.25 % at 280x", 0.2, 0.022, 0.0014, 0.024),
    *_TINY,
    weights("weights 400x", 0.990, "", 0.16, 0.015, 0.00095, 0.018),
    weights("weights 50x", 0.9953, "", 0.4, 0.1, 0.0122, 0.09),
    *_TENTH,
    *_HALF,
)
"""In the order in which they are run, for every seed."""
