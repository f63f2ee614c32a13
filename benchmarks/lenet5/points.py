"""The rows of the table: what is pruned how far, and the bar that it should reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

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
        rate: highest learning rate.
        decay: of the weights.
        shown: what it is compared with, for the table.
    """

    name: str
    bar: float | None
    granularity: str = ""
    density: Mapping[str, float] = field(default_factory=dict)
    widths: Widths = WHOLE
    epochs: int = 8
    rate: float = 3e-3
    decay: float = 0.05
    shown: str = ""

    @property
    def shares(self) -> Mapping[str, float]:
        """Kept share by group, as a plan has it."""
        if self.granularity == "channel":
            counts = zip(GROUPS, self.widths, WHOLE, strict=True)
            return {name: now / was for name, now, was in counts}
        return self.density


def weights(
    name: str, bar: float, epochs: int, densities: tuple[float, ...], shown: str = ""
) -> Point:
    """Single weights, by the densities of conv1, conv2, fc1, fc2."""
    shares = dict(zip((*GROUPS, "fc2"), densities, strict=True))
    return Point(name, bar, "weight", shares, epochs=epochs, shown=shown)


def structures(cut: Point) -> tuple[Point, Point]:
    """A cut network, and the same trained from scratch for the epochs of dense and cut together."""
    name, epochs = f"{cut.name}, from scratch", DENSE.epochs + cut.epochs
    return cut, replace(cut, name=name, bar=None, granularity="", epochs=epochs, shown="")


def small(name: str, bar: float, widths: Widths, shown: str = "") -> Point:
    """A network of a few channels, which a faster rate and less decay suit."""
    return Point(name, bar, "channel", {}, widths, epochs=16, rate=6e-3, decay=0.01, shown=shown)


DENSE = Point("dense", 0.9955, epochs=12)
_HALF = Point("structured, 2.5x fewer parameters", 0.9955, "channel", widths=(20, 45, 200))
_TENTH = Point("structured, 10x fewer parameters", 0.9950, "channel", widths=(16, 35, 50))
_SMALL = small("structured, <= 79k MACs", 0.990, (2, 12, 50), "Bayesian compression: 99.0 % at 79k")
_TINY = small("structured, <= 40k MACs", 0.988, (1, 13, 20))

POINTS = (
    DENSE,
    weights("weights 10x", 0.9955, 8, (0.7, 0.25, 0.085, 0.3)),
    weights("weights 100x", 0.9945, 12, (0.3, 0.056, 0.00475, 0.055), "DNS: 99.09 % at 108x"),
    *structures(_SMALL),
    weights("weights 280x", 0.9925, 12, (0.2, 0.022, 0.0014, 0.024), "Sparse VD: 99.25 % at 280x"),
    *structures(_TINY),
    weights("weights 400x", 0.990, 12, (0.16, 0.015, 0.00095, 0.018)),
    weights("weights 50x", 0.9953, 8, (0.4, 0.1, 0.0122, 0.09)),
    *structures(_TENTH),
    *structures(_HALF),
)
"""In the order in which they are run, for every seed."""
