"""The journal: Optuna's own storage contract, torn tails, full disks, and the databases."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.testing.pytest_storages import StorageTestCase
from optuna.trial import TrialState, create_trial

from hierprune.errors import UsageError
from hierprune.studies import storage as storage_module
from hierprune.studies.database import lasting_url, without_password
from hierprune.studies.storage import (
    FlockJournalBackend,
    check_locks,
    end_of_last_line,
    open_storage,
)

RECORDS = [{"number": i, "text": "x" * (i * 7 % 40)} for i in range(6)]


class TestStorageContract(StorageTestCase):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> BaseStorage:
        return JournalStorage(FlockJournalBackend(tmp_path / "study.jsonl"))


def read(path: Path, start: int = 0) -> list[dict[str, object]]:
    return list(FlockJournalBackend(path).read_logs(start))


def test_reads_from_any_number_whatever_was_read_before(tmp_path: Path) -> None:
    backend = FlockJournalBackend(tmp_path / "j")
    backend.append_logs(RECORDS)
    for start in (0, 3, 6, 2, 5, 0):
        assert list(backend.read_logs(start)) == RECORDS[start:]


def test_continues_where_an_abandoned_read_stopped(tmp_path: Path) -> None:
    backend = FlockJournalBackend(tmp_path / "j")
    backend.append_logs(RECORDS)
    reader = iter(backend.read_logs(0))
    assert [next(reader), next(reader)] == RECORDS[:2]
    assert list(backend.read_logs(2)) == RECORDS[2:]


def test_torn_tail_at_every_byte_costs_the_torn_record_alone(tmp_path: Path) -> None:
    path = tmp_path / "j"
    FlockJournalBackend(path).append_logs(RECORDS)
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        kept = RECORDS[: whole[:size].count(b"\n")]
        assert read(path) == kept
        FlockJournalBackend(path).append_logs([{"next": 1}])
        assert read(path) == [*kept, {"next": 1}]


def test_torn_study_opens_at_every_byte_of_its_last_writes(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    study = optuna.create_study(storage=open_storage(tmp_path), study_name="s")
    for value in (1.0, 2.0):
        study.tell(study.ask(), value)
    whole = path.read_bytes()
    for size in range(whole.index(b'"op_code":4'), len(whole), 3):
        path.write_bytes(whole[:size])
        torn = optuna.load_study(storage=open_storage(tmp_path), study_name="s")
        told = whole[:size].count(b'"values":[', 0, whole[:size].rfind(b"\n") + 1)
        assert sum(t.state == TrialState.COMPLETE for t in torn.trials) == told
        torn.tell(torn.ask(), 3.0)
        assert torn.trials[-1].value == 3.0


def test_the_tail_may_be_longer_than_one_look(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_bytes(b'{"a":1}\n' + b"y" * (3 * storage_module.TAIL_BYTES + 5))
    with path.open("rb") as file:
        assert end_of_last_line(file.fileno()) == 8
    FlockJournalBackend(path).append_logs([{"b": 2}])
    assert read(path) == [{"a": 1}, {"b": 2}]


def test_a_damaged_line_names_itself(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_bytes(b'{"a":1}\nrubbish\n{"b":2}\n')
    with pytest.raises(ValueError, match=r"line 2 is damaged: b'rubbish"):
        read(path)


def test_optuna_reads_the_file_with_its_own_backend(tmp_path: Path) -> None:
    study = optuna.create_study(storage=open_storage(tmp_path), study_name="s")
    study.add_trial(create_trial(state=TrialState.COMPLETE, value=4.0, user_attrs={"plan": {}}))
    theirs = JournalStorage(JournalFileBackend(str(tmp_path / "study.jsonl")))
    assert optuna.load_study(storage=theirs, study_name="s").best_value == 4.0


@pytest.mark.parametrize("room", [0, 1, 17])
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    path = tmp_path / "j"
    backend = FlockJournalBackend(path)
    backend.append_logs(RECORDS)
    before = path.read_bytes()
    real, left = os.pwrite, [room]

    def limited(fd: int, data: bytes, offset: int) -> int:
        if left[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = data[: left[0]]
        left[0] -= len(part)
        return real(fd, part, offset)

    monkeypatch.setattr(os, "pwrite", limited)
    with pytest.raises(OSError, match=r"No space left.*everything recorded before is safe"):
        backend.append_logs([{"more": "z" * 100}])
    monkeypatch.undo()
    assert path.read_bytes() == before
    backend.append_logs([{"more": 1}])
    assert read(path) == [*RECORDS, {"more": 1}]


APPENDER = """
import sys
from pathlib import Path
from hierprune.studies.storage import FlockJournalBackend
backend = FlockJournalBackend(Path(sys.argv[1]))
for i in range(100):
    backend.append_logs([{"writer": int(sys.argv[2]), "i": i}])
"""


def run_together(code: str, arguments: list[list[str]]) -> list[str]:
    """Run a script in one process for each list of arguments; what each prints."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    jobs = [subprocess.Popen([*command, *a], stdout=subprocess.PIPE) for a in arguments]
    return [job.communicate(timeout=60)[0].decode() for job in jobs]


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "j"
    run_together(APPENDER, [[str(path), str(w)] for w in range(3)])
    records = read(path)
    assert len(records) == 300
    for w in range(3):
        assert [r["i"] for r in records if r["writer"] == w] == list(range(100))


def test_a_folder_that_grants_a_lock_twice_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module.fcntl, "flock", lambda *_: None)
    with pytest.raises(UsageError, match="grants one lock twice; choose a folder"):
        check_locks(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(storage_module.fcntl, "flock", flock)
    with pytest.raises(UsageError, match=r"No locks available.*--run"):
        open_storage(tmp_path / "run")


@pytest.mark.parametrize(
    ("url", "word"),
    [("nonsense", "parse"), ("nosuchdb://h/d", "dialect"), ("sqlite:////no/such/dir/x.db", "open")],
)
def test_a_database_that_cannot_be_opened_is_a_usage_error(
    tmp_path: Path, url: str, word: str
) -> None:
    with pytest.raises(UsageError, match=rf"--storage must name a database.*{word}"):
        open_storage(tmp_path, url)


def test_a_relative_file_is_the_same_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert lasting_url("sqlite:///study.db") == f"sqlite:///{tmp_path}/study.db"
    for url in ("sqlite:////data/study.db", "postgresql+psycopg://me:secret@host/db"):
        assert lasting_url(url) == url


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="must outlive the launcher"):
        lasting_url(url)


def test_passwords_are_not_printed() -> None:
    assert "secret" not in without_password("postgresql://me:secret@host/db")


POPPER = """
import sys, time, json, optuna
from pathlib import Path
from hierprune.studies.storage import open_storage
run = Path(sys.argv[1])
study = optuna.load_study(storage=open_storage(run, sys.argv[2]), study_name="s")
time.sleep(max(0, float(sys.argv[3]) - time.time()))
numbers = []
while (trial := study.ask()).user_attrs.get("queued"):
    numbers.append(trial.number)
print(json.dumps(numbers))
"""


def test_sqlite_starts_no_waiting_trial_twice(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    study = optuna.create_study(storage=open_storage(tmp_path, url), study_name="s")
    for _ in range(40):
        study.add_trial(create_trial(state=TrialState.WAITING, user_attrs={"queued": True}))
    start = str(time.time() + 3)
    printed = run_together(POPPER, [[str(tmp_path), url, start]] * 2)
    popped = [number for text in printed for number in json.loads(text)]
    assert sorted(popped) == list(range(40))
