"""Trials in worker processes on this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .executor import RecipeSpec, cannot_build, evaluate
from .pool import GOODBYE_SECONDS, WorkerProcess, cores, how_it_ended, wait
from .spool import Spool
from .trial import Ask, Outcome, Tell

MAX_FAILED_STARTS = 3  # workers in a row that died before they were ready
TICK_SECONDS = 0.5  # how often the stop event is looked at while nothing happens


@dataclass(frozen=True)
class LocalExecutor:
    """Runs trials in ``workers`` processes, each with an equal share of the cores.

    What the workers print is kept in ``RUN/logs/worker-<i>.log``.

    Attributes:
        workers: number of processes; 0 runs the trials in this process, where neither a crash nor
            a hang can be survived.
        folder: the run folder.
        trial_timeout: seconds after which a trial counts as hung and its worker is killed.
        requeue: kill the running trials at a stop and tell nothing of them; not in this process.
    """

    workers: int
    folder: Path
    trial_timeout: float | None = None
    requeue: bool = False

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.workers < 0:
            raise UsageError(f"workers must be 0 or more, got {self.workers}")
        if self.trial_timeout is not None and self.trial_timeout <= 0:
            raise UsageError(f"trial_timeout must be positive, got {self.trial_timeout} s")

    def run(self, recipe: RecipeSpec, ask: Ask, tell: Tell, stop: threading.Event) -> None:
        """See :class:`~hierprune.studies.executor.Executor`."""
        if self.workers == 0:
            run_here(recipe, ask, tell, stop)
            return
        with open_pool(self, recipe) as pool:
            while True:
                if stop.is_set() and self.requeue:
                    pool.give_up()
                exhausted = stop.is_set() or not pool.fill(ask)
                if exhausted and not pool.busy():
                    return
                for outcome in pool.outcomes():
                    tell(outcome)


def run_here(recipe: RecipeSpec, ask: Ask, tell: Tell, stop: threading.Event) -> None:
    """Run the trials one after the other in this process."""
    try:
        call = recipe.build()
    except Exception as error:
        raise cannot_build(recipe, repr(error)) from error
    while not stop.is_set() and (trial := ask()) is not None:
        tell(evaluate(call, trial))


class Pool:
    """The workers of one run of an executor."""

    def __init__(self, executor: LocalExecutor, recipe: RecipeSpec) -> None:
        self._executor = executor
        self._recipe = recipe
        self._threads = max(1, cores() // executor.workers)
        self._spool = Spool(executor.folder / "spool")
        self._failed_starts = 0
        self.workers = [self._start(i) for i in range(executor.workers)]

    def _start(self, index: int) -> WorkerProcess:
        return WorkerProcess(index, self._recipe, self._executor.folder, self._threads)

    def fill(self, ask: Ask) -> bool:
        """Give every idle worker a trial; False when ``ask`` had none."""
        for worker in self.workers:
            if worker.idle:
                trial = ask()
                if trial is None:
                    return False
                worker.start(trial, self._executor.trial_timeout)
        return True

    def busy(self) -> bool:
        """Whether a trial runs."""
        return any(worker.trial for worker in self.workers)

    def give_up(self) -> None:
        """Kill the workers that run a trial; a result that they have put aside stays."""
        for worker in self.workers:
            if worker.trial:
                worker.kill()
                worker.trial = None

    def outcomes(self) -> Iterator[Outcome]:
        """What came of trials within a tick; hung workers are killed, dead ones replaced."""
        nearest = min(worker.deadline for worker in self.workers) - time.monotonic()
        for worker in wait(self.workers, min(TICK_SECONDS, nearest)):
            messages = worker.receive()
            if messages is None:
                yield from self._replace(worker)
            for message in messages or ():
                yield from self._read(worker, message)
        for worker in self.workers:
            worker.enforce()

    def _read(self, worker: WorkerProcess, message: dict[str, Any]) -> Iterator[Outcome]:
        if "broken" in message:
            raise cannot_build(self._recipe, message["broken"])
        if "ready" in message:
            worker.ready = True
            self._failed_starts = 0
        else:
            yield worker.finish(Outcome.from_json(message["outcome"]))

    def _replace(self, worker: WorkerProcess) -> Iterator[Outcome]:
        code = worker.bury()
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= MAX_FAILED_STARTS:
                raise cannot_build(self._recipe, f"{how_it_ended(code)}; see {worker.log}")
        self.workers[worker.index] = self._start(worker.index)
        outcome = worker.epitaph(code, self._executor.trial_timeout)
        if outcome is not None:
            yield self._spool.get(outcome.number, outcome.attempt) or outcome


@contextmanager
def open_pool(executor: LocalExecutor, recipe: RecipeSpec) -> Iterator[Pool]:
    """Workers that are gone at the end: asked to leave, or killed when an error gets us out."""
    pool = Pool(executor, recipe)
    patience = 0.0
    try:
        yield pool
        patience = GOODBYE_SECONDS
    finally:
        for worker in pool.workers:
            worker.close()
        for worker in pool.workers:
            worker.bury(patience)
