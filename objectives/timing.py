"""The time of a model beside the time of the dense one, in blocks of rounds that take turns.

In a block both models are opened anew, each at another place in memory, and run in turns, the order
changing from round to round and from block to block. A block gives one ratio: of the quartiles of
both models' times. What is reported is the median of the blocks' ratios with its distribution-free
interval, made wider for what the machine may do another time (:data:`DRIFT`). Where two models are
equally fast a block's ratio is as often above 1 as below, whatever else the machine does: the
interval misses the truth in at most 5 % of tries then, with no assumption about the load.
"""

from __future__ import annotations

import contextlib
import itertools
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
ROUNDS = 8  # of a block; fewer where forwards are slow
FEWEST = 7  # blocks; of fewer no two bound the median
QUANTILE = 0.25
"""Of a model's times in a block, stands for them. A load only ever adds time. Of the same model
twice, 960 rounds, half the interval's width was 0.3 % to 0.7 % by the quartile and 0.4 % to 0.9 %
by the median for forwards of 0.1 to 0.4 ms; 1.9 % and 4.0 % for one of 1 ms beside busy
processes."""
HOLES, LARGEST_HOLE = 12, 20  # blocks of memory before an opening, and log2 of the largest, bytes
LEVEL = 0.98
"""Of the interval by the count of blocks. It is looked at several times before the blocks are
enough, which costs up to 3 %: 95 % are left."""


DRIFT = 0.04
"""Of the logarithm of a ratio, two standard deviations of what a machine in another state makes of
it. Of 40 narrowed ResNet-20 in eager mode, confirmed twice on a host whose other guests came and
went, ratios around 0.5 differed by standard deviations of 0.5 to 2 % from one time to the other; in
onnxruntime half of that would do. Equal models stay equal in every state."""


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
    [8, 1, 1]
    """
    return int(np.clip(seconds / FEWEST / pace - WARM_UP, 1, ROUNDS))


def turns(
    pair: tuple[Opener, Opener], seconds: float, reopen: bool
) -> Generator[tuple[float, float], None, None]:
    """:func:`blocks` of two prepared models; what is slow to open is opened once.

    Which one is opened first changes from block to block: in eager mode the first of two equal
    ResNet-20 was slower by 0.2 % (standard error 0.06 %).
    """
    draw = np.random.default_rng(0)
    places: dict[int, tuple[list[bytearray], Sample]] = {}
    rounds = 0
    for order in itertools.cycle(((0, 1), (1, 0))):
        if not places or reopen:
            start = time.perf_counter()
            places = {i: (holes(draw), pair[i]()) for i in order}
            reopen = reopen and time.perf_counter() - start <= seconds / FEWEST
            pace = min(sum(wall(places[i][1]) for i in order) for _ in range(WARM_UP))
            rounds = rounds or rounds_for(pace, seconds)
        times = np.empty((rounds, 2))
        for r in range(rounds):
            for i in order if r % 2 else order[::-1]:
                times[r, i] = places[i][1]()
        first, second = np.quantile(times, QUANTILE, axis=0)
        yield float(first), float(second)


def wall(sample: Sample) -> float:
    """Seconds that a sample takes, which is more than it gives where it is measured elsewhere."""
    start = time.perf_counter()
    sample()
    return time.perf_counter() - start


def holes(draw: np.random.Generator) -> list[bytearray]:
    """Memory of random sizes; what is opened while it is held lies elsewhere than before.

    An allocator gives back the place that was freed last, so without these all blocks of one
    comparison share their luck with caches. Eight comparisons of each of three narrowed ResNet-20
    in onnxruntime had standard deviations of 1.1, 1.1 and 0.6 % where their blocks told of 0.6, 0.6
    and 0.8 %; with these 0.6, 0.7 and 0.8 % where they told of 0.8, 0.7 and 0.7 %.
    """
    sizes = np.exp2(draw.uniform(0, LARGEST_HOLE, HOLES)).astype(int)
    return [bytearray(size) for size in sizes.tolist()]


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
                if half_width(of_blocks(found)) <= narrow:
                    break
    return np.array(found)


def ratio(times: Sequence[tuple[float, float]] | Floats) -> Measurement:
    """Model time / dense time, with the 95 % interval for this machine in other states too."""
    found = of_blocks(times)
    assert found.low is not None
    assert found.high is not None
    value, drift = found.value, DRIFT * math.log(found.value)
    below = math.hypot(math.log(value / found.low), drift)
    above = math.hypot(math.log(found.high / value), drift)
    return Measurement(value, value * math.exp(-below), value * math.exp(above))


def of_blocks(times: Sequence[tuple[float, float]] | Floats) -> Measurement:
    """The median of the blocks' ratios with its interval: of this machine in its present state."""
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
