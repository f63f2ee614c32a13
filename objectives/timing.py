"""The time of a model beside the time of the dense one, in blocks of rounds that take turns.

In a block both models are opened anew, so each gets another place in memory, and run in turns, the
order changing from round to round. A block gives one ratio: of the quartiles of both models' times.
What is reported is the median of the blocks' ratios with its distribution-free interval. Where two
models are equally fast a block's ratio is as often above 1 as below, whatever else the machine
does: the interval misses the truth in at most 5 % of tries then, with no assumption about the load.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Generator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..task import Inputs
from .base import Measurement
from .memo import once
from .modes import measuring
from .runtime import Opener, Sample, Setting

Floats = NDArray[np.float64]

WARM_UP = 2  # forwards of an opened model before the first that counts
ROUNDS = 10  # of a block; fewer where forwards are slow
FEWEST = 7  # blocks; of fewer no two bound the median
QUANTILE = 0.25
"""Of a model's times in a block, stands for them. A load only ever adds time. Of the same model
twice, 960 rounds, half the interval's width was 0.3 % to 0.7 % by the quartile and 0.4 % to 0.9 %
by the median for forwards of 0.1 to 0.4 ms; 1.9 % and 4.0 % for one of 1 ms beside busy
processes."""
LEVEL = 0.98
"""Of the interval by the count of blocks. It is looked at several times before the blocks are
enough, which costs up to 3 %: 95 % are left."""


def blocks(
    setting: Setting, model: nn.Module, dense: nn.Module, inputs: Inputs, seconds: float
) -> Generator[tuple[float, float], None, None]:
    """Seconds of one forward of model and dense, block after block, without an end.

    ``seconds`` is the time for :data:`FEWEST` of them, where slow forwards leave a choice. Threads
    are pinned and both models in eval mode until the iterator is closed.

    Raises:
        UsageError: the runtime cannot run them.
    """
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(setting.threads)
        with measuring(model, dense):
            if setting.runtime == "compile":
                torch.compiler.reset()  # else it gives up after eight models of one class
            known = once(dense, setting, lambda: setting.prepare(dense, inputs))
            prepared = known if model is dense else setting.prepare(model, inputs)
            yield from turns((prepared, known), seconds, setting.cheap)
    finally:
        torch.set_num_threads(before)


def rounds_for(pace: float, seconds: float) -> int:
    """Rounds of a block so that :data:`FEWEST` blocks fit, where one round takes ``pace``.

    >>> [rounds_for(pace, 0.2) for pace in (0.0002, 0.008, 0.1)]
    [10, 1, 1]
    """
    return int(np.clip(seconds / FEWEST / pace - WARM_UP, 1, ROUNDS))


def turns(
    pair: tuple[Opener, Opener], seconds: float, reopen: bool
) -> Generator[tuple[float, float], None, None]:
    """:func:`blocks` of two prepared models."""
    opened: tuple[Sample, Sample] | None = None
    rounds = 0
    while True:
        if opened is None or reopen:
            opened = pair[0](), pair[1]()
            pace = min(opened[0]() + opened[1]() for _ in range(WARM_UP))
            rounds = rounds or rounds_for(pace, seconds)
        times = np.empty((rounds, 2))
        for r in range(rounds):
            for i in (0, 1) if r % 2 else (1, 0):
                times[r, i] = opened[i]()
        first, second = np.quantile(times, QUANTILE, axis=0)
        yield float(first), float(second)


def compare(
    setting: Setting,
    model: nn.Module,
    dense: nn.Module,
    inputs: Inputs,
    *,
    seconds: float,
    narrow: float = 0.0,
) -> Floats:
    """Seconds of model and dense in every block, shape (blocks, 2).

    Blocks are added until the time is up, or half the interval of their ratio is narrower than
    ``narrow``, looked at whenever there are half as many again; at least :data:`FEWEST`.

    Args:
        setting: of the runtime.
        model: to be timed.
        dense: to be timed beside it.
        inputs: of one forward.
        seconds: for all blocks, preparation included.
        narrow: half width, relative, that is enough.
    """
    start = time.perf_counter()
    found: list[tuple[float, float]] = []
    look = 2 * FEWEST
    with contextlib.closing(blocks(setting, model, dense, inputs, seconds)) as endless:
        for block in endless:
            found.append(block)
            if len(found) < FEWEST:
                continue
            if time.perf_counter() - start >= seconds:
                break
            if len(found) >= look:
                look = look * 3 // 2
                if half_width(ratio(found)) <= narrow:
                    break
    return np.array(found)


def ratio(times: Sequence[tuple[float, float]] | Floats) -> Measurement:
    """Model time / dense time: the median of the blocks' ratios with its interval."""
    pairs = np.asarray(times)
    return median_interval(pairs[:, 0] / pairs[:, 1])


def median_interval(values: Floats) -> Measurement:
    """The median of independent values (n,), n >= 7, with its 95 % interval by order statistics.

    The interval is of the k-th smallest and k-th largest value, with the largest k for which a fair
    coin falls fewer than k times on one side in at most 1 % of n throws. David and Nagaraja 2003,
    "Order Statistics", section 7.1.

    >>> median_interval(np.arange(1.0, 13.0))
    Measurement(value=6.5, low=2.0, high=11.0)
    """
    ordered = np.sort(values)
    k = outside(len(ordered))
    return Measurement(float(np.median(ordered)), float(ordered[k]), float(ordered[-1 - k]))


def outside(n: int) -> int:
    """How many of n values lie beyond either end of the interval.

    >>> [outside(n) for n in (7, 9, 12, 24)]
    [0, 0, 1, 5]
    """
    tail, k = 0.0, 0
    while True:
        tail += math.comb(n, k) / 2**n
        if tail > (1 - LEVEL) / 2:
            return max(0, k - 1)
        k += 1


def half_width(found: Measurement) -> float:
    """Half the interval, relative to the value."""
    assert found.low is not None
    assert found.high is not None
    return (found.high - found.low) / 2 / found.value
