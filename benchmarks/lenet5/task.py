"""LeNet-5 on MNIST with every image turned, scaled, shifted and bent on its own."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial

import torch

from hierprune.data.rows import Rows
from hierprune.examples.lenet.data import PIXELS, MoveEach, load_mnist
from hierprune.examples.lenet.model import LeNet5
from hierprune.task import Task

from .points import WHOLE, Widths

BATCH = 128
HELD_OUT = 10_000
MOVE = MoveEach(degrees=12.0, zoom=0.15, shift=1.5, bend=0.6)


def lenet5(
    widths: Widths = WHOLE,
    *,
    moves: float = 1.0,
    choosing: bool = False,
    data_dir: str | None = None,
) -> Task:
    """The task of the table.

    Args:
        widths: of the network.
        moves: how far images are moved, as a share of :data:`MOVE`.
        choosing: hold 10,000 training images out as val, to choose recipes by; else the model is
            trained on all 60,000, val is a part of them and says nothing.
        data_dir: a folder of the four IDX files.
    """
    splits = load_mnist(data_dir)
    known, val = joined(splits.train, splits.val), splits.val
    if choosing:
        rows = torch.arange(len(known.targets))
        known, val = known.part(rows[:-HELD_OUT]), known.part(rows[-HELD_OUT:])
    pixels = replace(PIXELS, augment=moved(moves))
    return Task(
        name="lenet5",
        build_model=partial(LeNet5, *widths),
        train=replace(known, batch=BATCH, shuffle=True, prepare=pixels),
        val=val,
        test=splits.test,
        data=splits.name,
    )


def moved(share: float) -> MoveEach:
    """:data:`MOVE`, all its reaches scaled."""
    return MoveEach(**{name: share * reach for name, reach in asdict(MOVE).items()})


def joined(one: Rows, other: Rows) -> Rows:
    """The rows of both."""
    pairs = zip(one.inputs, other.inputs, strict=True)
    inputs = tuple(torch.cat(pair) for pair in pairs)
    return replace(one, inputs=inputs, targets=torch.cat([one.targets, other.targets]))
