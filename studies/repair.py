"""What ``verify --repair`` does: mend a run, and lose no finished trial.

The record only grows, as in a launch. The one file that is rewritten is a journal with damaged
lines; it, and every file that cannot be read, is kept in ``RUN/damaged/<time>``.
"""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import filelock
from optuna.trial import FrozenTrial

from ..errors import UsageError
from ..task import Direction
from ..whole import write_whole
from .ledger import Ledger
from .liveness import Observer
from .mend import mend
from .run_record import RunRecord
from .storage import JOURNAL, LOCK, journal_bytes, open_storage
from .verify_run import Audit, damaged_files, needless, repetitions, verify_run


def repair_run(folder: str | Path) -> Audit:
    """Do what :func:`verify_run` proposes, then check again.

    Raises:
        UsageError: the folder holds no study, or its journal is damaged and a launcher writes it.
    """
    run = Path(folder)
    before = verify_run(run)
    if not any(fault.remedy for fault in before.found):
        return before
    kept = run / "damaged" / datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    record = RunRecord.load(run)
    if record.storage is None:
        mend_journal(run, kept, record.directions)
    for path in damaged_files(run):
        put_aside(path, run, kept)
    storage, name = open_storage(run, record.storage), record.name_at(run)
    with Ledger(storage, run, record.directions, lambda *_: None, 0, name=name) as ledger:
        ledger.recover()
        ledger.withdraw(needless_trials(ledger.trials()))
    after = verify_run(run)
    gone = tuple(fault for fault in before.found if fault.remedy and fault not in after.found)
    return replace(after, repaired=gone)


def mend_journal(run: Path, kept: Path, directions: Mapping[str, Direction]) -> None:
    """Rewrite a damaged journal; the old one is kept."""
    journal = run / JOURNAL
    with filelock.FileLock(run / LOCK):
        data = journal_bytes(journal)
        mended = mend(data, directions)
        if mended.data == data:
            return
        observer = Observer(run / "alive")
        if owners := [p.stem for p in run.glob("alive/*.alive") if observer.alive(p.stem)]:
            raise UsageError(
                f"a journal is mended when nobody writes it, but of {run} runs "
                f"{', '.join(owners)}; stop it first"
            )
        kept.mkdir(parents=True, exist_ok=True)  # a repair that was killed this second
        shutil.copy2(journal, kept)
        write_whole(journal, mended.data, durable=True)


def put_aside(path: Path, run: Path, kept: Path) -> None:
    """Move a file out of the way."""
    place = kept / path.relative_to(run)
    place.parent.mkdir(parents=True, exist_ok=True)
    path.replace(place)


def needless_trials(trials: Sequence[FrozenTrial]) -> list[int]:
    """Numbers of the waiting repetitions that need not be run."""
    return [
        copy.number
        for number, copies in repetitions(trials).items()
        if number < len(trials)
        for copy in needless(trials[number].state, copies)
    ]
