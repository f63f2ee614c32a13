"""Where zeros may stand in a weight: anywhere, N of every M, or in whole blocks.

A pattern turns the scores of a weight's elements into units that go one after the other, and a
number of units into the elements that stay. An element stays while its *rank* is below the number
of units kept.

>>> scores = torch.tensor([[4.0, 1.0, 3.0, 2.0]])
>>> NOfM(2, 4).ranks(scores).tolist()
[[0, 3, 1, 2]]
>>> parse("2:4"), parse("4x1"), parse("weight"), parse("channel")
(NOfM(n=2, m=4), Blocks(rows=4, columns=1, floor=1), Single(floor=1), None)
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..errors import unknown


class Pattern(Protocol):
    """Units of one weight, shape (outputs, inputs, kernel...)."""

    @property
    def floor(self) -> int:
        """Fewest units that may stay."""

    def units(self, shape: Sequence[int]) -> int | None:
        """Number of units of a weight of that shape; ``None`` where the pattern does not fit."""

    def step(self, units: int) -> int:
        """Units that come and go together."""

    def pooled(self, scores: Tensor) -> Tensor:
        """One score per unit, shape (units,), from a score per element."""

    def ranks(self, scores: Tensor) -> Tensor:
        """For every element the number of units that outrank its own; the shape of ``scores``."""


@dataclass(frozen=True)
class Single:
    """Every element is a unit."""

    floor: int = 1

    def units(self, shape: Sequence[int]) -> int | None:
        """See :class:`Pattern`."""
        return math.prod(shape)

    def step(self, units: int) -> int:
        """See :class:`Pattern`."""
        return 1

    def pooled(self, scores: Tensor) -> Tensor:
        """See :class:`Pattern`."""
        return scores.flatten()

    def ranks(self, scores: Tensor) -> Tensor:
        """See :class:`Pattern`."""
        return inverse_order(scores.flatten()).view(scores.shape)


@dataclass(frozen=True)
class NOfM:
    """At most ``n`` of ``m`` neighbours along the inputs stay, or the weight stays whole.

    Mishra et al. 2021, arXiv:2104.08378 (2:4 in hardware). Unit r of a weight is the r-th largest
    of every m neighbours.
    """

    n: int
    m: int

    @property
    def floor(self) -> int:
        """See :class:`Pattern`."""
        return self.n

    def units(self, shape: Sequence[int]) -> int | None:
        """See :class:`Pattern`."""
        return self.m if len(shape) > 1 and shape[1] % self.m == 0 else None

    def step(self, units: int) -> int:
        """See :class:`Pattern`."""
        return self.m - self.n

    def pooled(self, scores: Tensor) -> Tensor:
        """See :class:`Pattern`."""
        return self.neighbours(scores).sort(dim=-1, descending=True).values.flatten(0, -2).mean(0)

    def ranks(self, scores: Tensor) -> Tensor:
        """See :class:`Pattern`."""
        ranks = inverse_order(self.neighbours(scores))
        return ranks.flatten(-2).movedim(-1, 1)

    def neighbours(self, scores: Tensor) -> Tensor:
        """The scores with the inputs last, in groups of m: (outputs, kernel..., inputs / m, m)."""
        neighbours: Tensor = scores.movedim(1, -1).unflatten(-1, (-1, self.m))
        return neighbours


@dataclass(frozen=True)
class Blocks:
    """Blocks of ``rows`` outputs by ``columns`` flattened inputs stay or go as a whole."""

    rows: int
    columns: int
    floor: int = 1

    def units(self, shape: Sequence[int]) -> int | None:
        """See :class:`Pattern`."""
        outputs, inputs = shape[0], math.prod(shape[1:])
        if outputs % self.rows or inputs % self.columns:
            return None
        return (outputs // self.rows) * (inputs // self.columns)

    def step(self, units: int) -> int:
        """See :class:`Pattern`."""
        return 1

    def pooled(self, scores: Tensor) -> Tensor:
        """See :class:`Pattern`."""
        return self.tiles(scores).mean(dim=(1, 3)).flatten()

    def ranks(self, scores: Tensor) -> Tensor:
        """See :class:`Pattern`."""
        tiles = self.tiles(scores)
        ranks = inverse_order(self.pooled(scores)).view(tiles.shape[0], 1, tiles.shape[2], 1)
        return ranks.expand(tiles.shape).reshape(scores.shape)

    def tiles(self, scores: Tensor) -> Tensor:
        """The scores as (block rows, rows, block columns, columns)."""
        columns = scores.flatten(1).unflatten(1, (-1, self.columns))
        tiles: Tensor = columns.unflatten(0, (-1, self.rows))
        return tiles


def inverse_order(scores: Tensor) -> Tensor:
    """Place of every score in falling order along the last dimension; ties keep their order."""
    order = scores.argsort(dim=-1, descending=True, stable=True)
    places = torch.arange(scores.shape[-1], device=scores.device).expand_as(order)
    return torch.empty_like(order).scatter_(-1, order, places)


def parse(granularity: str) -> Pattern | None:
    """The pattern of a granularity; ``None`` for structures and blocks.

    ``"weight"``, ``"N:M"`` such as ``"2:4"``, ``"RxC"`` such as ``"4x1"``.

    Raises:
        UsageError: neither a pattern nor ``"channel"`` or ``"block"``.
    """
    if granularity in ("channel", "block"):
        return None
    if granularity == "weight":
        return Single()
    if match := re.fullmatch(r"(\d+):(\d+)", granularity):
        n, m = int(match[1]), int(match[2])
        if 0 < n < m:
            return NOfM(n, m)
    if match := re.fullmatch(r"(\d+)x(\d+)", granularity):
        rows, columns = int(match[1]), int(match[2])
        if rows > 0 and columns > 0:
            return Blocks(rows, columns)
    patterns = ["N:M with 0 < N < M such as 2:4", "blocks ROWSxCOLUMNS such as 4x1"]
    raise unknown("granularity", granularity, ["block", "channel", "weight", *patterns])
