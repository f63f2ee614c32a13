"""Batches of samples that are held in memory, and their three splits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..errors import UsageError
from ..task import Inputs

HELD_OUT = 0.15  # for val, and again for test, where the data come in one piece
MIN_ROWS = 10


def as_they_are(*columns: Tensor) -> Inputs:
    """One tensor as itself, several as a tuple."""
    return columns[0] if len(columns) == 1 else columns


@dataclass(frozen=True, eq=False)
class Rows:
    """Batches of rows.

    Attributes:
        inputs: one or more tensors, (N, ...) each.
        targets: (N, ...).
        batch: rows per batch; the last one may hold fewer.
        shuffle: draw a new order from the global generator at every pass.
        prepare: makes the model's inputs of a batch of every tensor of ``inputs``.

    Raises:
        UsageError: the tensors hold different numbers of rows.
    """

    inputs: tuple[Tensor, ...] = field(repr=False)
    targets: Tensor = field(repr=False)
    batch: int = 500
    shuffle: bool = False
    prepare: Callable[..., Inputs] = as_they_are

    def __post_init__(self) -> None:
        """Check that the tensors belong together."""
        counts = [len(column) for column in (*self.inputs, self.targets)]
        if len(set(counts)) > 1:
            raise UsageError(f"inputs and targets must have as many rows each, got {counts}")

    def __len__(self) -> int:
        return -(-len(self.targets) // self.batch)

    def __iter__(self) -> Iterator[tuple[Inputs, Tensor]]:
        """Inputs as ``prepare`` gives them, and targets (B, ...)."""
        count = len(self.targets)
        order = torch.randperm(count) if self.shuffle else torch.arange(count)
        for rows in torch.split(order, self.batch):
            yield self.prepare(*(column[rows] for column in self.inputs)), self.targets[rows]

    def part(self, rows: Tensor) -> Rows:
        """Some of the rows: (n,), positions or a mask (N,)."""
        inputs = tuple(column[rows] for column in self.inputs)
        return replace(self, inputs=inputs, targets=self.targets[rows])


@dataclass(frozen=True)
class Splits:
    """Disjoint rows for training, for the search and for the final test, and their name."""

    name: str
    train: Rows
    val: Rows
    test: Rows


def split(name: str, rows: Rows, seed: int = 0) -> Splits:
    """Rows drawn into splits: 70 % train, shuffled at every pass, 15 % val, 15 % test.

    Raises:
        UsageError: there are too few rows.
    """
    known, test = (rows.part(n) for n in drawn(name, len(rows.targets), HELD_OUT, seed))
    return with_drawn_val(name, known, test, HELD_OUT / (1 - HELD_OUT), seed)


def with_drawn_val(
    name: str, known: Rows, test: Rows, share: float = HELD_OUT, seed: int = 0
) -> Splits:
    """Splits whose val is drawn from the known rows; train is shuffled at every pass.

    Raises:
        UsageError: there are too few rows.
    """
    train, val = (known.part(n) for n in drawn(name, len(known.targets), share, seed))
    return Splits(name, replace(train, shuffle=True), val, test)


def drawn(name: str, count: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Positions that stay, and a share that is drawn, both in ascending order.

    Raises:
        UsageError: there are too few to draw from.
    """
    if count < MIN_ROWS:
        raise UsageError(f"{name} must have at least {MIN_ROWS} samples to be split, got {count}")
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    held = round(share * count)
    return order[held:].sort().values, order[:held].sort().values


def with_held_out(name: str, known: Rows, test: Rows, held_out: int) -> Splits:
    """Splits whose val is the last ``held_out`` rows of the known ones, train the others.

    Raises:
        UsageError: there are not more known rows than that.
    """
    count = len(known.targets)
    if count <= held_out:
        raise UsageError(f"{name} must have over {held_out} rows to train on, got {count}")
    rows = torch.arange(count)
    return Splits(name, known.part(rows[:-held_out]), known.part(rows[-held_out:]), test)
