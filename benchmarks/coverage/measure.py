"""One row of the table: how much of a model can be removed, and whether it is exact."""

from __future__ import annotations

import re
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from hierprune.pruners.oracle import Oracle, draw
from hierprune.pruners.surgery import cut
from hierprune.pruners.trace import build_tree
from hierprune.pruners.tree import ModelTree
from hierprune.task import Inputs

RATIOS = (0.0, 0.25, 0.5, 0.75)
MAX_CHECKED = 25_000_000
"""Larger models are cut and run, but not compared in float64 once more."""


class OutOfTimeError(BaseException):
    """The limit of CPU time is used up; no ``except Exception`` on the way may swallow it."""


@dataclass(frozen=True)
class Row:
    """What became of one model.

    Attributes:
        suite: that the model belongs to.
        name: of the model.
        params: of the dense model.
        removed: share of the parameters removed with half of the units of every group.
        groups: that can be pruned.
        given_up: groups that failed their check.
        seconds: of CPU time for trace and verification.
        fault: of the cuts, in a check with another seed than that of the verification; or why there
            is no result.
        reason: why most of the layers that keep their width do so.
        wrong: whether a cut that was promised crashes or computes something else.
        rival: what Torch-Pruning does: the share it removes, or how it fails.
    """

    suite: str
    name: str
    params: int
    removed: float
    groups: int
    given_up: int
    seconds: float
    fault: str = ""
    reason: str = ""
    wrong: bool = False
    rival: str = ""

    @property
    def passes(self) -> bool:
        """Pruned by 30 % of its parameters, and exact."""
        return self.removed >= 0.3 and not self.fault

    @property
    def rival_passes(self) -> bool:
        """Whether Torch-Pruning removes 30 % of the parameters and the model still runs."""
        return self.rival.startswith(("0.", "1.")) and float(self.rival) >= 0.3


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Raise :class:`OutOfTimeError` after so much CPU time of this process."""

    def stop(*_: object) -> None:
        raise OutOfTimeError

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def measure(suite: str, name: str, model: nn.Module, inputs: Inputs, limit: float) -> Row:
    """Trace, verify, cut by half and at three random plans; at most ``limit`` CPU seconds."""
    params = sum(p.numel() for p in model.parameters())
    start = time.process_time()
    try:
        with cpu_limit(limit):
            tree = build_tree(model, inputs)
            seconds = time.process_time() - start
            half, fault = judge(model, inputs, tree)
    except OutOfTimeError:
        return Row(suite, name, params, 0.0, 0, 0, limit, "out of time")
    except Exception as error:
        seconds = time.process_time() - start
        fault = f"{type(error).__name__}: {error}"[:80]
        return Row(suite, name, params, 0.0, 0, 0, seconds, fault, wrong=True)
    return Row(
        suite,
        name,
        params,
        1 - half / params,
        len(tree.groups),
        sum("check" in e.reason for e in tree.excluded),
        seconds,
        fault,
        most_common(e.reason for e in tree.excluded),
        wrong=bool(fault),
    )


def most_common(reasons: Iterable[str]) -> str:
    """The reason given most often, without the place in the model; no output layers."""
    told = [re.sub(r" \(\w+ in .*", "", r) for r in reasons if "makes the model's output" not in r]
    return Counter(told).most_common(1)[0][0][:100] if told else ""


def judge(model: nn.Module, inputs: Inputs, tree: ModelTree) -> tuple[int, str]:
    """Parameters left at half the units, and the first fault at several plans."""
    generator = torch.Generator().manual_seed(11)
    half = {g.name: draw(g, 0.5, generator) for g in tree.groups}
    left = sum(p.numel() for p in cut(model, tree, half, share=True).parameters())
    if sum(p.numel() for p in model.parameters()) > MAX_CHECKED:
        return left, ""
    oracle = Oracle(model, [inputs], seed=12)
    plans = [half]
    for _ in range(3):
        ratios = [RATIOS[oracle.choice(4)] for _ in tree.groups]
        pairs = zip(tree.groups, ratios, strict=True)
        plans.append({g.name: draw(g, 1 - r, generator) for g, r in pairs})
    return left, next((f for plan in plans if (f := oracle.fault(tree, plan))), "")
