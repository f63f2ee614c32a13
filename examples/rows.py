"""Batches of samples that are held in memory, and their three splits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..errors import UsageError
from ..task import Inputs


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
