"""Time of the system itself per trial: ``python overhead.py --trials 10000 --executor local``.

Trials of the toy study take no time, so what is measured is asking, handing over, and telling. One
line of JSON: milliseconds per trial, on the clock and of the launcher's processor time (which other
load on the machine does not touch), and the seconds it takes to open the finished study.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
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


def measure(run: Path, args: argparse.Namespace) -> dict[str, float]:
    propose = proposer(parameters=args.parameters)
    recipe = RecipeSpec("toy:recipe", {"run": str(run)})
    told, worked = list[float](), list[float]()
    with Ledger(open_storage(run, args.storage), run, DIRECTIONS, propose, args.trials) as ledger:
        record = ledger.tell

        def tell(outcome: Outcome) -> None:
            record(outcome)
            told.append(time.perf_counter())
            worked.append(time.process_time())

        ledger.tell = tell  # type: ignore[method-assign]
        drive(ledger, make_executor(args.executor, args.workers, run), recipe, threading.Event())
    return tenths("wall", told) | tenths("launcher_cpu", worked)


def tenths(name: str, times: list[float]) -> dict[str, float]:
    """Milliseconds between moments: over all, in the first and last tenth, and at worst."""
    gaps = [1000 * (b - a) for a, b in itertools.pairwise(times)]
    tenth = len(gaps) // 10
    first, last = statistics.mean(gaps[:tenth]), statistics.mean(gaps[-tenth:])
    return {
        f"{name}_ms_per_trial": round(statistics.mean(gaps), 2),
        f"{name}_median_ms": round(statistics.median(gaps), 2),
        f"{name}_first_tenth_ms": round(first, 2),
        f"{name}_last_tenth_ms": round(last, 2),
        f"{name}_last_to_first": round(last / first, 3),
        f"{name}_worst_ms": round(max(gaps), 1),
    }


def opening_seconds(run: Path, url: str | None) -> float:
    start = time.perf_counter()
    with Ledger(open_storage(run, url), run, DIRECTIONS, lambda *_: None, 0) as ledger:
        ledger.counts()
    return round(time.perf_counter() - start, 2)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--parameters", type=int, default=60)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--executor", default="local")
    parser.add_argument("--storage")
    args = parser.parse_args()
    run = Path(tempfile.mkdtemp(prefix="overhead-"))
    result = vars(args) | measure(run, args)
    result["opening_seconds"] = opening_seconds(run, args.storage)
    journal = run / "study.jsonl"
    result["journal_mb"] = round(journal.stat().st_size / 1e6, 1) if journal.exists() else None
    print(json.dumps(result))
    shutil.rmtree(run)


if __name__ == "__main__":
    main()
