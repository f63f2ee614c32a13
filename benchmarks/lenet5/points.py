"""The rows of the table: what is pruned how far, and the bar that it should reach."""

from __future__ import annotations

from dataclasses import dataclass, replace

Widths = tuple[int, int, int]
"""Channels of both convolutions, neurons of the hidden layer."""

WHOLE: Widths = (20, 50, 500)
PARAMS = 431_080
GROUPS = ("conv1", "conv2", "fc1")


@dataclass(frozen=True)
class Point:
    """One row.

    Attributes:
        name: of the row.
        bar: test accuracy to reach, mean over the seeds; ``None`` for comparisons.
        start: the point whose model it is pruned from; ``""`` for a network trained as it is.
        fewer: times fewer parameters, where single weights go; else 1.
        widths: of the network, where structures go and where it is trained as it is.
        epochs: passes over the data, beside those of the start.
        rate: highest learning rate.
        decay: of the weights.
        moves: how far images are moved, as a share of the most.
        merged: the first filters are components of the start's, not some of them.
        sharpness: factor on the finished model's logits (temperature scaling: Guo et al. 2017).
        shown: what it is compared with, for the table.
    """

    name: str
    bar: float | None
    start: str = ""
    fewer: float = 1.0
    widths: Widths = WHOLE
    epochs: int = 8
    rate: float = 3e-3
    decay: float = 0.05
    moves: float = 1.0
    merged: bool = False
    sharpness: float = 1.0
    shown: str = ""

    @property
    def granularity(self) -> str:
        """What goes; ``""``: nothing."""
        kind = "weight" if self.fewer > 1 else "channel"
        return kind if self.start else ""

    @property
    def limit(self) -> int:
        """Parameters that may stay."""
        return int(PARAMS / self.fewer)


def from_scratch(cut: Point, *before: Point) -> Point:
    """The network of a cut point, trained as it is for the epochs of all its way from dense."""
    epochs = sum(point.epochs for point in (*before, cut))
    return replace(
        cut,
        name=f"{cut.name}, from scratch",
        bar=None,
        start="",
        epochs=epochs,
        merged=False,
        shown="",
    )


def fast(point: Point) -> Point:
    """The point at a rate, a decay and moves that suit networks of few parameters."""
    return replace(point, rate=6e-3, decay=0.01, moves=0.5)


DENSE = Point("dense", 0.9955, epochs=12)
W10 = Point("weights 10x", 0.9955, "dense", 10, epochs=12, sharpness=0.85)
W50 = Point("weights 50x", 0.9953, W10.name, 50, epochs=12)
W100 = Point("weights 100x", 0.9945, W50.name, 100, epochs=16, shown="DNS: 99.09 % at 108x")
HALF = Point("structured, 2.5x fewer parameters", 0.9955, "dense", widths=(20, 45, 200))
TENTH = Point("structured, 10x fewer parameters", 0.9950, "dense", widths=(16, 35, 50))
THIRTIETH = fast(
    Point("structured, 32x fewer parameters", None, TENTH.name, widths=(8, 18, 32), epochs=12)
)
W280 = fast(
    Point("weights 280x", 0.9925, THIRTIETH.name, 280, epochs=30,
          shown="Sparse VD: 99.25 % at 280x")
)  # fmt: skip
W400 = fast(Point("weights 400x", 0.990, W280.name, 400, epochs=30))
SMALL = fast(
    Point("structured, <= 79k MACs", 0.990, "dense", widths=(2, 12, 50), epochs=28,
          shown="Bayesian compression: 99.0 % at 79k")
)  # fmt: skip
TINY = fast(
    Point("structured, <= 40k MACs", 0.988, THIRTIETH.name, widths=(1, 13, 22), epochs=60,
          merged=True)
)  # fmt: skip

POINTS = (
    *(DENSE, W10, W50, W100, TENTH, THIRTIETH, W280, W400),
    *(SMALL, from_scratch(SMALL, DENSE), TINY, from_scratch(TINY, DENSE, TENTH, THIRTIETH)),
    *(from_scratch(TENTH, DENSE), HALF, from_scratch(HALF, DENSE)),
    from_scratch(THIRTIETH, DENSE, TENTH),
)
"""In the order in which they are run, for every seed; starts before what starts from them."""
