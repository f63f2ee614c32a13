"""Which widths a runtime likes: multiples below which a narrower model is no faster, but slower.

Some kernels work on 4, 8 or 16 channels at once and fall back to slower ones for other widths. So
a model with all groups at a multiple of N, near half their width, is timed beside one that has
N / 2 units fewer everywhere. N is liked where the narrower one is slower, beyond the doubt of the
interval.
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
from ..task import Task
from .latency import alone
from .progress import Progress, Silent

CANDIDATES = (16, 8, 4, 2)
SECONDS, NARROW = 0.7, 0.01  # of one candidate


def liked_multiple(
    setting: Setting, dense: Dense, task: Task, progress: Progress | None = None
) -> int:
    """The largest of :data:`CANDIDATES` that the runtime likes in this model, else 1."""
    progress = progress or Silent()
    progress.note("timing which widths the runtime likes")
    inputs = inputs_of(setting, task, dense.model)
    cost = CostModel.of(dense.tree, "channel")
    with alone(progress):
        for n in CANDIDATES:
            wide = near_half(cost, n)
            narrow = np.where(wide < cost.widths, wide - n // 2, wide)
            if np.array_equal(wide, narrow):
                continue
            pair = at(dense, narrow), at(dense, wide)
            found = ratio(compare(setting, *pair, inputs, seconds=SECONDS, narrow=NARROW))
            if found.low is not None and found.low > 1:
                progress.note(f"widths in multiples of {n}: {n // 2} fewer units are slower")
                return n
    return 1


def near_half(cost: CostModel, n: int) -> Ints:
    """The multiples of n at or below half the widths (G,); dense where there is none."""
    half = cost.widths // 2 // n * n
    return np.where(half >= n, half, cost.widths)


def at(dense: Dense, widths: Ints) -> nn.Module:
    """The model with the first so many units of every group."""
    groups = dense.units("channel")
    keep = {g.name: range(int(w)) for g, w in zip(groups, widths, strict=True)}
    return shrink(dense.model, dense.tree, "channel", keep)
