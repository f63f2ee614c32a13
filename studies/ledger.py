"""The record of a study, and the only one who writes it: ask, tell, recover.

One truth: an Optuna study. A trial costs one write when it is asked for and two when it is told
(see ``records`` for what is in them); nothing here grows with the number of trials. Any number of
launchers may share a run folder. What they must agree on (what is waiting, what the budget still
allows) is decided under a lock that the kernel takes back from a killed process.

A trial whose worker or launcher died is repeated: a waiting copy is stored first, then the trial
is closed as FAIL, so that a death in between loses nothing and repeats nothing twice.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import filelock
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from ..search.proposal import Propose
from ..search.stopping import Stop
from ..task import Direction
from . import records
from .book import Book
from .liveness import Observer, Pulse
from .spool import Spool
from .storage import LOCK, STUDY
from .trial import Outcome, Trial

MAX_ATTEMPTS = 3
RECOVER_SECONDS = 30.0  # between two looks for dead launchers
POLL_SECONDS = 0.01  # while another launcher holds the lock
ALLOWED_FAILURES = 10  # plus three for every success


def never(_: Sequence[FrozenTrial]) -> Stop | None:
    """Ends no study before its plans are finished."""
    return None


class Ledger:
    """Asks the strategy for plans and records what came of them. Use it from one thread.

    A launcher stops starting trials once it has been told more than ``10 + 3 n`` failures with
    ``n`` successes: then it is the task that is broken, not a plan. :meth:`failing` says so.
    Starting again, after a repair, starts counting anew.

    Args:
        storage: of the study, from :func:`~hierprune.studies.storage.open_storage`.
        run: the run folder, shared by all launchers.
        directions: by objective, in the order of the values.
        propose: the strategy.
        n_trials: plans to finish, failed ones not counted.
        stopping: says from all trials whether the study is over before that.
        name: of the study in the storage; unique there.

    Raises:
        UsageError: the study exists with other objectives.
    """

    def __init__(
        self,
        storage: BaseStorage,
        run: Path,
        directions: Mapping[str, Direction],
        propose: Propose,
        n_trials: int,
        *,
        stopping: Callable[[Sequence[FrozenTrial]], Stop | None] = never,
        name: str = STUDY,
    ) -> None:
        self.n_trials = n_trials
        self._stopping = stopping
        self._propose = propose
        self._objectives = tuple(directions)
        self._spool = Spool(run / "spool")
        self._spool.folder.mkdir(parents=True, exist_ok=True)
        self._observer = Observer(run / "alive")
        self._lock = filelock.FileLock(run / LOCK)
        with self._locked():
            self._book = Book(storage, name, directions)
            self._pulse = Pulse(run / "alive")
        self._janitor = ThreadPoolExecutor(1)  # removing a file waits for the disk
        self._mine: set[int] = set()  # running here
        self._successes = 0
        self._failures: list[str] = []
        self._recovered = float("-inf")

    @property
    def owner(self) -> str:
        """The name of this launcher."""
        return self._pulse.owner

    def ask(self) -> Trial | None:
        """The next trial, stored as running: a repetition that waits, or a new proposal."""
        if self.failing():
            return None
        if time.monotonic() - self._recovered > RECOVER_SECONDS:
            self.recover()
        with self._locked():
            trials = self._book.trials()
            for waiting in self._book.tally.in_state(TrialState.WAITING):
                if self._claim(waiting.number):
                    return records.to_trial(waiting)
            return self._ask_strategy(trials)

    def _ask_strategy(self, trials: Sequence[FrozenTrial]) -> Trial | None:
        stop = self._stopping(trials)
        if stop is not None and stop.rule == "until":
            return None
        fresh = stop is None and self._book.tally.plans() < self.n_trials
        proposal = self._propose(trials, fresh)
        if proposal is None:
            return None
        if proposal.rung == 0 and not fresh:
            raise ValueError(f"the budget of {self.n_trials} plans is spent, got a new one")
        number = self._book.add(records.first_attempt(proposal, self.owner))
        self._mine.add(number)
        return Trial(number, proposal.plan, proposal.rung, proposal.parent)

    def _claim(self, number: int) -> bool:
        claimed = self._book.claim(number, self.owner)
        if claimed:
            self._mine.add(number)
        return claimed

    def tell(self, outcome: Outcome) -> None:
        """Record what came of a trial.

        A dead worker's trial is repeated, up to three attempts in all. The result of a trial that
        was taken from this launcher meanwhile goes to its repetition when that still waits, else
        it is kept as the study attribute ``late:<number>``.
        """
        outcome = records.checked(outcome, self._objectives)
        try:
            if outcome.number not in self._mine:
                self._record_late(outcome)
            elif outcome.kind == "died":
                with self._locked():
                    self._repeat(self._book.trials()[outcome.number], outcome)
            else:
                self._finish(outcome)
        except UpdateFinishedTrialError:
            self._record_late(outcome)
        self._janitor.submit(self._spool.remove, outcome.number, outcome.attempt)

    def _finish(self, outcome: Outcome) -> None:
        self._mine.discard(outcome.number)
        self._book.finish(outcome)
        if outcome.error:
            self._failures.append(outcome.error)
        else:
            self._successes += 1

    def _repeat(self, trial: FrozenTrial, outcome: Outcome, *, counted: bool = True) -> None:
        """Close an interrupted trial and let a copy wait, while attempts are left."""
        attempt = trial.user_attrs["attempt"]
        if attempt >= MAX_ATTEMPTS and counted:
            error = f"{outcome.error} (attempt {attempt} of {MAX_ATTEMPTS}, the last)"
            self._finish(replace(outcome, error=error))
            return
        if self._book.tally.retry(trial.number) is None:
            self._book.add(records.next_attempt(trial, attempt + counted))
        self._mine.discard(trial.number)
        try:
            self._book.finish(outcome)
        except UpdateFinishedTrialError:  # by its owner, who lives after all
            self._withdraw_repetition(trial.number)
            raise

    def _withdraw_repetition(self, number: int) -> None:
        self._book.trials()
        copy = self._book.tally.retry(number)
        if copy is not None:
            self._close(copy, f"not needed, trial {number} was finished after all")

    def withdraw(self, waiting: Iterable[int]) -> None:
        """Close waiting repetitions that need not be run."""
        with self._locked():
            for number in waiting:
                self._close(number, "not needed, the trial that it repeats is finished or repeated")

    def _close(self, waiting: int, error: str) -> None:
        if self._book.claim(waiting, self.owner):
            self._book.finish(Outcome(waiting, error=error, kind="died"))

    def _record_late(self, outcome: Outcome) -> None:
        with self._locked():
            self._book.trials()
            last = self._book.tally.last_attempt(outcome.number)
            if last == outcome.number:
                return  # told before
            waiting = {t.number for t in self._book.tally.in_state(TrialState.WAITING)}
            if last in waiting and not outcome.error and self._claim(last):
                self._finish(replace(outcome, number=last))
            else:
                self._book.note(f"late:{outcome.number}", outcome.to_json())

    def recover(self) -> int:
        """Take over what dead launchers left: tell spooled results, repeat the rest.

        Returns:
            How many trials were taken over.
        """
        with self._locked():
            self._recovered = time.monotonic()
            self._book.trials()
            running = self._book.tally.in_state(TrialState.RUNNING)
            suspects = [self._book.read(t.number) for t in running if self._is_lost(t)]
            lost = [t for t in suspects if self._is_lost(t)]
            for trial in lost:
                self._take_over(trial)
            self._observer.bury()
        self._empty_spool()
        return len(lost)

    def _is_lost(self, trial: FrozenTrial) -> bool:
        """Whether nobody runs it; without an owner it was being claimed, under the lock we hold."""
        owner = trial.user_attrs.get("owner")
        if trial.state.is_finished():
            return False
        return owner is None or (owner != self.owner and not self._observer.alive(owner))

    def _take_over(self, trial: FrozenTrial, *, counted: bool = True) -> None:
        number, attempt = trial.number, trial.user_attrs["attempt"]
        known = self._spool.get(number, attempt) or records.half_told(trial)
        with contextlib.suppress(UpdateFinishedTrialError):  # its owner was faster
            if known is not None and known.kind != "died":
                self._finish(records.checked(known, self._objectives))
            else:
                error = f"its launcher {trial.user_attrs.get('owner')} ended"
                died = Outcome(number, error=error, kind="died", attempt=attempt)
                self._repeat(trial, died, counted=counted)
        self._spool.remove(number, attempt)

    def _empty_spool(self) -> None:
        """Tell results that came after their trial was taken over."""
        trials = self.trials()
        for outcome in self._spool:
            if outcome.number < len(trials) and trials[outcome.number].state.is_finished():
                self._record_late(records.checked(outcome, self._objectives))
                self._spool.remove(outcome.number, outcome.attempt)

    def failing(self) -> str:
        """Why no further trial is started, when nearly all of them fail; else empty."""
        failed = len(self._failures)
        if failed <= ALLOWED_FAILURES + 3 * self._successes:
            return ""
        return (
            f"{failed} trials failed and {self._successes} did not, so no more are started; "
            f"the last failure:\n{self._failures[-1]}"
        )

    def counts(self) -> dict[str, Any]:
        """Numbers of ``complete`` plans and ``failed``, ``running`` and ``waiting`` trials.

        ``rungs`` is the list of finished trials by rung, from rung 0.
        """
        self._book.trials()
        return self._book.tally.counts()

    def trials(self) -> Sequence[FrozenTrial]:
        """All trials of the study by number, shared with the storage: not to be changed."""
        return self._book.trials()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock.acquire(poll_interval=POLL_SECONDS):
            yield

    def close(self) -> None:
        """Leave. What still runs here waits for the next launcher, its attempt not counted."""
        try:
            with self._locked(), contextlib.suppress(OSError):  # a full disk: recovered later
                self._book.trials()
                for number in sorted(self._mine):
                    self._take_over(self._book.read(number), counted=False)
        finally:
            self._janitor.shutdown()
            self._pulse.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
