r"""A damaged journal made whole: every record that can be read is kept, in its place.

A write that was torn by a crash is no damage: it is the last line, without its newline, and the
next write takes its place. Lines in the middle are damaged by disks and by programs that write
without the lock. Optuna counts the lines that make a trial to number it, so the place of such a
line must not be lost.

>>> mended = mend(b'{"op_code":0,"worker_id":"a"}\n{"op_co\n', {})
>>> [fault.text for fault in mended.faults]
['line 2 of study.jsonl is damaged']
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.study import StudyDirection
from optuna.trial import TrialState

from ..task import Direction
from .storage import STUDY

CREATE_STUDY, CREATE_TRIAL = 0, 4  # operation codes of Optuna's journal
OPERATIONS = range(11)
START = b'{"op_code":'
EMPTY_TRIAL = {
    "op_code": CREATE_TRIAL,
    "worker_id": "mended",
    "study_id": 0,
    "datetime_start": None,
    "state": TrialState.RUNNING.value,
}
"""Holds the number of a trial whose record is lost; no plan, so it counts as nothing of ours."""


@dataclass(frozen=True)
class Fault:
    """Something that contradicts itself.

    Attributes:
        text: what is wrong, and where.
        remedy: what a repair does about it; empty when nothing can be done.
    """

    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Mended:
    """A journal without its damage.

    Attributes:
        data: every line whole.
        faults: what was damaged, and what was done.
    """

    data: bytes
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class Line:
    """One line of a journal.

    Attributes:
        number: from 1.
        text: without its newline.
        records: that could be read.
        whole: whether that is all there was.
    """

    number: int
    text: bytes
    records: tuple[dict[str, Any], ...]
    whole: bool

    @property
    def hides_trial(self) -> bool:
        """Whether what is left of the line says that it made a trial."""
        lost = not any(record["op_code"] == CREATE_TRIAL for record in self.records)
        return not self.whole and lost and START + b"4," in self.text


def mend(data: bytes, directions: Mapping[str, Direction]) -> Mended:
    """Everything of a journal that can be read.

    Args:
        data: of the file.
        directions: by objective, in case the record that made the study is lost.
    """
    *texts, torn = data.split(b"\n")
    lines = [read_line(i, text) for i, text in enumerate(texts, 1)]
    empty = places_of_trials(lines)
    kept = [] if makes_study(lines) else [as_line(new_study(directions))]
    kept += [encode(line, empty=line.number in empty) for line in lines]
    faults = [fault_of(line, line.number in empty) for line in lines if not line.whole]
    if torn:
        faults.append(Fault(f"the last line of study.jsonl is torn ({len(torn)} bytes)", "cut off"))
    return Mended(b"".join(kept), tuple(faults))


def makes_study(lines: Sequence[Line]) -> bool:
    """Whether the study is made, or nothing is."""
    made = any(r["op_code"] == CREATE_STUDY for line in lines for r in line.records)
    return made or not any(line.records for line in lines)


def new_study(directions: Mapping[str, Direction]) -> dict[str, Any]:
    """The record that makes our study."""
    return {
        "op_code": CREATE_STUDY,
        "worker_id": "mended",
        "study_name": STUDY,
        "directions": [StudyDirection[d.upper()].value for d in directions.values()],
    }


def read_line(number: int, text: bytes) -> Line:
    """A line, and the whole records in it: a writer without the lock can leave two in one."""
    try:
        record = json.loads(text)
    except ValueError:
        return Line(number, text, tuple(salvaged(text)), whole=False)
    records = (record,) if is_record(record) else ()
    return Line(number, text, records, whole=bool(records))


def salvaged(text: bytes) -> Iterator[dict[str, Any]]:
    """The whole records in a damaged line."""
    decoder = json.JSONDecoder()
    words = text.decode(errors="replace")
    at = words.find(START.decode())
    while at >= 0:
        try:
            record, end = decoder.raw_decode(words, at)
        except ValueError:
            end = at + 1
        else:
            if is_record(record):
                yield record
        at = words.find(START.decode(), end)


def is_record(record: Any) -> bool:
    """Whether this is an operation of Optuna's journal."""
    return (
        isinstance(record, dict)
        and isinstance(record.get("worker_id"), str)
        and record.get("op_code") in OPERATIONS
    )


def places_of_trials(lines: Sequence[Line]) -> set[int]:
    """The damaged lines that an empty trial has to stand in for.

    Those that say so themselves; of those that say nothing, the last before a record about a trial
    that would not exist otherwise.
    """
    found: set[int] = set()
    silent: list[int] = []
    trials = 0
    for line in lines:
        if line.hides_trial:
            found.add(line.number)
            trials += 1
        elif not line.whole and START not in line.text:
            silent.append(line.number)
        for record in line.records:
            trials += record["op_code"] == CREATE_TRIAL
            while record.get("trial_id", -1) >= trials and silent:
                found.add(silent.pop())
                trials += 1
    return found


def encode(line: Line, *, empty: bool) -> bytes:
    """A line as it is written back."""
    if line.whole:
        return line.text + b"\n"
    records = [*line.records, EMPTY_TRIAL] if empty else line.records
    return b"".join(map(as_line, records))


def as_line(record: Mapping[str, Any]) -> bytes:
    """A record as the journal holds it."""
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def fault_of(line: Line, empty: bool) -> Fault:
    """What a damaged line was, and what becomes of it."""
    remedy = "put an empty trial in its place, so that the others keep their numbers"
    if not empty:
        remedy = f"keep the {len(line.records)} whole records in it" if line.records else "drop it"
    return Fault(f"line {line.number} of study.jsonl is damaged", remedy)
