"""A thousand workers on one launcher, simulated: ``python simulate.py RUN --workers 1000``.

Trials take as long as those recorded in RUN (drawn at random, times ``--scale``); nothing is
trained. What the launcher does is real: every trial is asked for and told through the ledger and
the storage, and the time that this takes passes in the simulation too, one call after the other.
One line of JSON: the share of the workers' time that goes into trials.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from postgres import server
from toy import DIRECTIONS, proposer

from hierprune.studies.ledger import Ledger
from hierprune.studies.storage import open_storage
from hierprune.studies.study import Study
from hierprune.studies.trial import Outcome

T = TypeVar("T")


def recorded(run: Path) -> list[float]:
    """Seconds of the finished trials of a run."""
    return [sum(r.seconds.values()) for r in Study.open(run).finished()]


class Launcher:
    """The one process that asks and tells; ``now`` is the simulated time at which it is free."""

    def __init__(self) -> None:
        self.now = 0.0
        self.costs: list[float] = []

    def call(self, at: float, function: Callable[[], T]) -> T:
        """Do something real that was due ``at``, once free, and let its time pass."""
        started = time.perf_counter()
        found = function()
        cost = time.perf_counter() - started
        self.costs.append(cost)
        self.now = max(self.now, at) + cost
        return found


def simulate(ledger: Ledger, workers: int, seconds: Callable[[], float]) -> dict[str, float]:
    """Run the study of a ledger; what came of it in simulated time."""
    launcher, busy = Launcher(), 0.0
    ends: list[tuple[float, int]] = []  # when each running trial ends

    def start(at: float) -> None:
        nonlocal busy
        trial = launcher.call(at, ledger.ask)
        if trial is not None:
            taken = seconds()
            busy += taken
            heapq.heappush(ends, (launcher.now + taken, trial.number))

    for _ in range(workers):
        start(0.0)
    while ends:
        at, number = heapq.heappop(ends)
        launcher.call(at, lambda n=number: ledger.tell(Outcome(n, dict.fromkeys(DIRECTIONS, 0.5))))
        start(launcher.now)
    return {
        "makespan_seconds": round(launcher.now, 1),
        "busy_share": round(busy / workers / launcher.now, 4),
        "launcher_ms_per_trial": round(1000 * sum(launcher.costs) / len(launcher.costs) * 2, 2),
        "launcher_median_ms": round(2000 * statistics.median(launcher.costs), 2),
        "launcher_share": round(sum(launcher.costs) / launcher.now, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path, help="whose trial times to take")
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--parameters", type=int, default=60)
    parser.add_argument("--scale", type=float, default=1.0, help="of the recorded times")
    parser.add_argument("--storage", choices=["journal", "postgres"], default="journal")
    args = parser.parse_args()
    times, rng = recorded(args.run), random.Random(0)
    with ExitStack() as stack:
        url = stack.enter_context(server()) if args.storage == "postgres" else None
        run = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        propose = proposer(parameters=args.parameters)
        storage = open_storage(run, url)
        ledger = stack.enter_context(Ledger(storage, run, DIRECTIONS, propose, args.trials))
        found = simulate(ledger, args.workers, lambda: args.scale * rng.choice(times))
    mean = args.scale * statistics.mean(times)
    result = vars(args) | {"run": str(args.run), "mean_trial_seconds": round(mean, 3)} | found
    print(json.dumps(result))


if __name__ == "__main__":
    main()
