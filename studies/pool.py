"""The worker processes of one launcher: start, send, receive, replace, end."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from .executor import RecipeSpec, failure
from .trial import Outcome, Trial

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
GOODBYE_SECONDS = 5.0  # for an idle worker to end by itself


class WorkerProcess:
    """One worker and the trial it runs.

    It leads a process group of its own: Ctrl-C in the terminal does not reach it, and what it
    started (data loaders) is killed with it.

    Args:
        index: of the worker; names its log.
        recipe: what it builds and calls.
        folder: the run folder.
        threads: of each worker's linear algebra, unless the environment says otherwise.
    """

    def __init__(self, index: int, recipe: RecipeSpec, folder: Path, threads: int) -> None:
        self.index = index
        self.ready = False
        self.trial: Trial | None = None
        self.deadline = float("inf")
        self.timed_out = False
        self._received = b""
        self.log = folder / "logs" / f"worker-{index}.log"
        self._process = launch(self.log, threads)
        self._send({"recipe": recipe.to_json(), "run": str(folder.absolute()), "path": sys.path})

    @property
    def idle(self) -> bool:
        """Whether it can take a trial."""
        return self.ready and self.trial is None

    def fileno(self) -> int:
        """Where its messages arrive."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def start(self, trial: Trial, timeout: float | None) -> None:
        """Hand over a trial; it counts as hung after ``timeout`` seconds."""
        self.trial = trial
        self.deadline = float("inf") if timeout is None else time.monotonic() + timeout
        self._send({"trial": trial.to_json()})

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # dead: its output ends, which is where it is noticed
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def receive(self) -> list[dict[str, Any]] | None:
        """The messages that have arrived, or None when the process has ended."""
        chunk = os.read(self.fileno(), 1 << 16)
        if not chunk:
            return None
        *lines, self._received = (self._received + chunk).split(b"\n")
        return [json.loads(line) for line in lines]

    def finish(self, outcome: Outcome) -> Outcome:
        """Take note that the trial is over."""
        self.trial = None
        self.deadline = float("inf")
        return outcome

    def enforce(self) -> None:
        """Kill it when its trial is beyond its time; kill what it left behind when it is dead.

        A child that outlives the worker would keep its output open and hide the death.
        """
        if time.monotonic() >= self.deadline:
            self.timed_out = True
        if self.timed_out or self._process.poll() is not None:
            self.kill()

    def kill(self) -> None:
        """End the process and all it started, now."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Say that there is no more to do."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def bury(self, patience: float = 0.0) -> int:
        """Wait for the end, kill after ``patience`` seconds, and free the pipes; the exit code."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        self.kill()
        code = self._process.wait()
        self.close()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code

    def epitaph(self, code: int, timeout: float | None) -> Outcome | None:
        """What to tell about the trial that was running when the process ended."""
        if self.trial is None:
            return None
        if self.timed_out:
            message = f"ran longer than {timeout:g} s; its worker was killed"
            return failure(self.trial, "timeout", message)
        return failure(self.trial, "died", f"{how_it_ended(code)}; its output is in {self.log}")


def launch(log: Path, threads: int) -> subprocess.Popen[bytes]:
    """Start a worker process whose prints go to ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    limits = {name: os.environ.get(name, str(threads)) for name in THREADS}
    habits = {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "hierprune.studies.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            env={**os.environ, **limits, **habits},
            start_new_session=True,
        )


def how_it_ended(code: int) -> str:
    """An exit code in words.

    >>> how_it_ended(3)
    'the worker ended with exit code 3'
    """
    if code >= 0:
        return f"the worker ended with exit code {code}"
    words = f"the worker was ended by {signal.Signals(-code).name}"
    if -code == signal.SIGKILL:
        words += " (when memory runs out the system does that: try fewer workers)"
    return words


def wait(workers: list[WorkerProcess], seconds: float) -> Iterator[WorkerProcess]:
    """The workers that have something to say within this time."""
    with selectors.DefaultSelector() as selector:
        for worker in workers:
            selector.register(worker, selectors.EVENT_READ)
        for key, _ in selector.select(max(0.0, seconds)):
            assert isinstance(key.fileobj, WorkerProcess)
            yield key.fileobj


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
