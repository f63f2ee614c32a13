"""One launcher of the toy study, to be killed: ``driver.py RUN --trials N --seconds S ...``."""

from __future__ import annotations

import argparse
import json
import threading
from pathlib import Path
from typing import Any

from toy import DIRECTIONS, proposer

from hierprune.studies.drive import drive
from hierprune.studies.executor import Executor, RecipeSpec
from hierprune.studies.ledger import Ledger
from hierprune.studies.local import LocalExecutor
from hierprune.studies.signals import clean_stop
from hierprune.studies.storage import open_storage


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--executor", default="local")
    parser.add_argument("--storage")
    parser.add_argument("--address")
    parser.add_argument("--promote", action="store_true")
    parser.add_argument("--requeue", action="store_true")
    args = parser.parse_args()
    recipe = RecipeSpec("toy:recipe", {"run": str(args.run), "seconds": args.seconds})
    storage = open_storage(args.run, args.storage)
    propose = proposer(promote=args.promote)
    with (
        clean_stop(threading.Event()) as stop,
        Ledger(storage, args.run, DIRECTIONS, propose, args.trials) as ledger,
    ):
        options = {"address": args.address} if args.executor == "ray" else {}
        executor = make_executor(
            args.executor, args.workers, args.run, requeue=args.requeue, **options
        )
        drive(ledger, executor, recipe, stop)
        print(json.dumps(ledger.counts()))


def make_executor(kind: str, workers: int, run: Path, **options: Any) -> Executor:
    if kind == "ray":
        from hierprune.studies.ray_tune import RayExecutor

        return RayExecutor(workers, run, **options)
    return LocalExecutor(workers, run, **options)


if __name__ == "__main__":
    main()
