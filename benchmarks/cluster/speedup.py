"""Two workers against one on trials that keep a processor busy: ``python speedup.py``.

One line of JSON: trials per second with one and with two workers, and their ratio, of the moments
at which results arrive, so that starting up does not count. Rounds of one and two alternate.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path

from driver import make_executor
from toy import DIRECTIONS, proposer

from hierprune.studies.drive import drive
from hierprune.studies.executor import RecipeSpec
from hierprune.studies.ledger import Ledger
from hierprune.studies.storage import open_storage
from hierprune.studies.trial import Outcome


def rate(kind: str, workers: int, trials: int, seconds: float) -> float:
    """Trials per second once every worker has told its first."""
    told: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        with Ledger(open_storage(run), run, DIRECTIONS, proposer(), trials) as ledger:
            record = ledger.tell

            def tell(outcome: Outcome) -> None:
                record(outcome)
                told.append(time.perf_counter())

            ledger.tell = tell  # type: ignore[method-assign]
            recipe = RecipeSpec("toy:busy", {"seconds": seconds})
            drive(ledger, make_executor(kind, workers, run), recipe, threading.Event())
    return (trials - workers) / (told[-1] - told[workers - 1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--executor", default="ray")
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(args.rounds):
        for workers, found in rates.items():
            found.append(rate(args.executor, workers, args.trials, args.seconds))
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    result = vars(args) | {
        "one_per_second": round(statistics.median(rates[1]), 3),
        "two_per_second": round(statistics.median(rates[2]), 3),
        "speedup": round(statistics.median(ratios), 3),
        "speedups": [round(r, 3) for r in ratios],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
