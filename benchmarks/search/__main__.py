"""Strategies against each other, trial by trial; see README.md.

    python -m hierprune.benchmarks.search run TASK... [--entries NAME...] [--seeds 0 1 2]
    python -m hierprune.benchmarks.search table TASK...

``run`` goes on where it was stopped; ``table`` prints what the rows in ``--out`` say. Data are
found as the tasks find them (HIERPRUNE_DATA).
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import optuna
import torch

from .contest import ENTRIES, play
from .table import table
from .tasks import SETTINGS, arena

OUT = Path("runs/bench-search")


def run(
    tasks: Sequence[str], entries: Sequence[str], seeds: Sequence[int], given: argparse.Namespace
) -> None:
    """Play every entry on every task; seed by seed, so that a part of it is a whole table."""
    for name in tasks:
        folder = given.out / name
        sensitivities = any(ENTRIES[entry].sensitivities for entry in entries)
        ready = arena(name, folder / "cache", sensitivities=sensitivities)
        if sensitivities:
            print(f"{name}: sensitivities cost {ready.charge:.1f} trials", flush=True)
        for seed in seeds:
            for entry in entries:
                start = time.process_time()
                trials = min(given.trials or ENTRIES[entry].trials, ENTRIES[entry].trials)
                count = play(ready, ENTRIES[entry], seed, folder / f"{entry}-{seed}.jsonl", trials)
                spent = time.process_time() - start
                print(f"{name} {entry} seed {seed}: {count} trials, {spent:.0f} s", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run or tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("tasks", nargs="+", metavar="TASK", help=", ".join(SETTINGS))
    parser.add_argument("--entries", nargs="+", default=list(ENTRIES), metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--trials", type=int, help="stop every entry here")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    if given.what == "run":
        run(given.tasks, given.entries, given.seeds, given)
    else:
        for name in given.tasks:
            print(table(name, given.out / name))


if __name__ == "__main__":
    main()
