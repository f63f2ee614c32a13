"""Kill launchers at random and check the books: ``python chaos.py --rounds 20 --executor ray``.

Prints one line of JSON: what was found, how many launchers were killed, and what is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState
from toy import DIRECTIONS

from hierprune.studies.ledger import Ledger
from hierprune.studies.reaper import users
from hierprune.studies.storage import open_storage

DRIVER = Path(__file__).with_name("driver.py")
MARK = "CHAOS_RUN"
"""Variable in the environment of launchers, and so of all that they start: the run."""


class Launcher:
    """A launcher of the toy study in a process of its own, started anew after every kill."""

    def __init__(self, run: Path, options: list[str]) -> None:
        self.run = run
        self.command = [sys.executable, "-W", "ignore", str(DRIVER), str(run), *options]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.run.mkdir(exist_ok=True)
        with (self.run / "launchers.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, env=os.environ | {MARK: str(self.run)}
            )

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def workers(self) -> list[int]:
        """Its child processes, but for the one that cleans up after it."""
        assert self.process is not None
        command = ["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)]
        listed = subprocess.run(command, capture_output=True, text=True).stdout
        return [int(line.split()[0]) for line in listed.splitlines() if "reaper" not in line]

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(600)

    def wait_for_results(self, more: int) -> None:
        """Until so many further trials were evaluated, or the launcher ended."""
        target = evaluations(self.run) + more
        while self.running() and evaluations(self.run) < target:
            time.sleep(0.01)


def evaluations(run: Path) -> int:
    path = run / "evaluations.txt"
    return path.read_text().count("\n") if path.exists() else 0


def storm(launchers: list[Launcher], rounds: int, rng: random.Random) -> int:
    """Kill one of the launchers at a random moment, ``rounds`` times; how many kills hit.

    Every other time its children die with it, and with them what they had nearly finished.
    """
    kills = 0
    for _ in range(rounds):
        for launcher in launchers:
            if not launcher.running():
                launcher.start()
        victim = rng.choice(launchers)
        victim.wait_for_results(rng.randint(1, 6))
        time.sleep(rng.uniform(0.0, 0.2))
        kills += victim.running()
        workers = victim.workers() if rng.random() < 0.5 else []
        victim.send(signal.SIGKILL)
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        victim.wait()
    for launcher in launchers:
        if launcher.running():
            launcher.send(signal.SIGTERM)
            launcher.wait()
    return kills


def run_to_end(launcher: Launcher) -> None:
    launcher.start()
    if launcher.wait() != 0:
        raise RuntimeError((launcher.run / "launchers.log").read_text()[-3000:])


@dataclass(frozen=True)
class Audit:
    """What the books say.

    Attributes:
        complete: finished plans.
        running: trials that nobody will finish.
        doubled: plans that were finished twice.
        repeated: plans evaluated more often than they were interrupted.
        interrupted: trials that were repeated.
        evaluated: evaluations that ran to their end.
        spooled: results left in the spool.
        orphans: worker processes of this run that still live.
    """

    complete: int
    running: int
    doubled: int
    repeated: int
    interrupted: int
    evaluated: int
    spooled: int
    orphans: int

    def faults(self, expected: int) -> list[str]:
        wrong = [] if self.complete == expected else [f"{self.complete} of {expected} finished"]
        zeros = ("running", "doubled", "repeated", "spooled", "orphans")
        return wrong + [f"{name}: {getattr(self, name)}" for name in zeros if getattr(self, name)]


def audit(run: Path, storage: BaseStorage | None = None) -> Audit:
    storage = storage or open_storage(run)
    with Ledger(storage, run, DIRECTIONS, lambda *_: None, 0) as ledger:
        counts, trials = ledger.counts(), ledger.trials()
    finished = Counter(key(t) for t in trials if t.state == TrialState.COMPLETE)
    interrupted = {t.user_attrs["retry_of"] for t in trials if "retry_of" in t.user_attrs}
    lines = (run / "evaluations.txt").read_text().splitlines()
    evaluated = Counter((int(seed), int(rung)) for _, seed, rung in map(str.split, lines))
    allowed = Counter(key(t) for t in trials)
    return Audit(
        complete=counts["complete"],
        running=counts["running"] + counts["waiting"],
        doubled=sum(n > 1 for n in finished.values()),
        repeated=sum(n > allowed[k] for k, n in evaluated.items()),
        interrupted=len(interrupted),
        evaluated=len(lines),
        spooled=len(list((run / "spool").glob("*.json"))),
        orphans=orphans(run),
    )


def key(trial: FrozenTrial) -> tuple[int, int]:
    return trial.user_attrs["plan"]["seed"], trial.user_attrs["rung"]


def orphans(run: Path, patience: float = 10.0) -> int:
    """Processes that the run has left behind, after they had time to leave."""
    end = time.monotonic() + patience
    while (found := len({*users(run), *survivors(run)})) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def survivors(run: Path) -> set[int]:
    """Processes that descend from a launcher of this run: they have its mark."""
    found = set()
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"{MARK}={run}".encode() in environ.read_bytes().split(b"\0"):
                found.add(int(environ.parts[2]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--launchers", default="local", help="comma-separated: local, ray")
    parser.add_argument("--storage")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    run = Path(tempfile.mkdtemp(prefix="chaos-"))
    common = ["--trials", str(args.trials), "--seconds", str(args.seconds)]
    common += ["--storage", args.storage] if args.storage else []
    launchers = [Launcher(run, [*common, "--executor", e]) for e in args.launchers.split(",")]
    started = time.monotonic()
    kills = storm(launchers, args.rounds, random.Random(args.seed))
    run_to_end(launchers[0])
    found = audit(run, open_storage(run, args.storage))
    faults = found.faults(args.trials)
    seconds = round(time.monotonic() - started)
    print(json.dumps(asdict(found) | {"kills": kills, "seconds": seconds, "faults": faults}))
    if faults:
        sys.exit(f"see {run}")
    shutil.rmtree(run)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
