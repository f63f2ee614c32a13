"""Which widths a runtime likes: multiples between which a narrower model is hardly faster.

Some kernels work on 4, 8 or 16 channels at once and fall back to slower ones for other widths. So
a model with all groups at a multiple of N is timed beside one of N / 2 units fewer everywhere, and
one of N fewer. N is liked where the half step saves less than a quarter of what the whole step
saves, and that is worth having: equal steps would save a half.
"""

from __future__ import annotations

import numpy as np
from torch import nn

from ..objectives.latency import inputs_of
from ..objectives.runtime import Setting
from ..objectives.timing import compare, ratio
from ..pruners.cost import CostModel, Ints
from ..pruners.dense import Dense
from ..pruners.prune import shrink
from ..task import Inputs, Task
from .latency import alone
from .progress import Progress, Silent
from .timed_before import TimedBefore

CANDIDATES = (16, 8, 4, 2)
SECONDS, NARROW = 0.15, 0.01  # of one pair
WORTH = 0.03  # share of the time that a whole step must save
SHARE = 0.25  # of that, which half a step saves at most


def liked_multiple(
    setting: Setting, dense: Dense, task: Task, progress: Progress | None = None
) -> int:
    """The largest of :data:`CANDIDATES` that the runtime likes in this model, else 1.

    What an earlier study found of this architecture on this machine is taken.
    """
    progress = progress or Silent()
    inputs = inputs_of(setting, task, dense.model)
    before = TimedBefore.of("widths", setting, dense.model, inputs)
    known = before.read()
    if known not in (*CANDIDATES, 1):
        known = timed_multiple(setting, dense, inputs, progress)
        before.keep(known)
    elif known > 1:
        progress.note(f"widths in multiples of {known}, as timed before ({before.file})")
    return int(known)


def timed_multiple(setting: Setting, dense: Dense, inputs: Inputs, progress: Progress) -> int:
    """:func:`liked_multiple`, timed now."""
    progress.note("timing which widths the runtime likes")
    cost = CostModel.of(dense.tree, "channel")
    with alone(progress):
        for n in CANDIDATES:
            wide = multiples(cost, n)
            steps = [np.where(wide >= 2 * n, wide - by, wide) for by in (n, n // 2)]
            if np.array_equal(wide, steps[0]):
                continue
            model = at(dense, wide)
            full = 1 - time_of(setting, at(dense, steps[0]), model, inputs)
            if full < WORTH:
                continue
            half = 1 - time_of(setting, at(dense, steps[1]), model, inputs)
            if half < SHARE * full:
                progress.note(
                    f"widths in multiples of {n}: {n} units fewer save {full:.0%}, "
                    f"{n // 2} fewer {half:.0%}"
                )
                return n
    progress.note("no multiple of widths is much faster than others")
    return 1


def multiples(cost: CostModel, n: int) -> Ints:
    """The largest multiples of n in the widths (G,) that hold two; dense elsewhere."""
    return np.where(cost.widths >= 2 * n, cost.widths // n * n, cost.widths)


def time_of(setting: Setting, model: nn.Module, other: nn.Module, inputs: Inputs) -> float:
    """The time of a model over that of another."""
    return ratio(compare(setting, model, other, inputs, seconds=SECONDS, narrow=NARROW)).value


def at(dense: Dense, widths: Ints) -> nn.Module:
    """The model with the first so many units of every group."""
    groups = dense.units("channel")
    keep = {g.name: range(int(w)) for g, w in zip(groups, widths, strict=True)}
    return shrink(dense.model, dense.tree, "channel", keep)
