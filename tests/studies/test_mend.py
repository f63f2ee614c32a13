"""A journal damaged at every line, in every way, opens again with all that was not hit."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState
from toy import DIRECTIONS, proposer

from hierprune.errors import UsageError
from hierprune.studies.ledger import Ledger
from hierprune.studies.mend import mend
from hierprune.studies.storage import open_storage
from hierprune.studies.trial import Outcome


def values(number: int) -> dict[str, float]:
    return dict.fromkeys(DIRECTIONS, 1.0 + number)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Six finished trials, two at a time as with two workers."""
    run = tmp_path_factory.mktemp("run")
    with Ledger(open_storage(run), run, DIRECTIONS, proposer(), 6) as ledger:
        for _ in range(3):
            pair = [ledger.ask(), ledger.ask()]
            for trial in reversed(pair):
                assert trial is not None
                ledger.tell(Outcome(trial.number, values(trial.number)))
    return (run / "study.jsonl").read_bytes()


def trials(run: Path, data: bytes) -> list[FrozenTrial]:
    run.mkdir()
    (run / "study.jsonl").write_bytes(data)
    with Ledger(open_storage(run), run, DIRECTIONS, lambda *_: None, 6) as ledger:
        ledger.recover()
        return list(ledger.trials())


def test_a_sound_journal_stays_as_it_is(journal: bytes) -> None:
    assert mend(journal, DIRECTIONS).data == journal
    assert mend(journal, DIRECTIONS).faults == ()
    assert mend(b"", DIRECTIONS).data == b""


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: b"\0" * len(line),
        lambda line: line[: len(line) // 2],
        lambda line: line.replace(b"{", b"\xff", 1),
        lambda line: b"[]",
    ],
    ids=["zeros", "half", "byte", "other"],
)
def test_every_other_trial_comes_through(tmp_path: Path, journal: bytes, damage) -> None:
    sound = trials(tmp_path / "sound", journal)
    lines = journal.split(b"\n")[:-1]
    for i, line in enumerate(lines):
        spoilt = b"".join(text + b"\n" for text in [*lines[:i], damage(line), *lines[i + 1 :]])
        mended = mend(spoilt, DIRECTIONS)
        found = trials(tmp_path / str(i), mended.data)
        assert f"line {i + 1} of study.jsonl is damaged" in [f.text for f in mended.faults]
        same = [t for t, was in zip(found, sound, strict=False) if is_same(t, was)]
        assert len(same) == (5 if line.startswith(b'{"op_code":4,') else 6), (i, line)
        assert mend(mended.data, DIRECTIONS).faults == ()


def is_same(trial: FrozenTrial, was: FrozenTrial) -> bool:
    return (
        trial.number == was.number
        and trial.state == TrialState.COMPLETE
        and trial.values == was.values
        and trial.params == was.params
        and trial.user_attrs.get("plan") == was.user_attrs["plan"]
    )


def test_whole_records_in_a_damaged_line_are_kept(tmp_path: Path, journal: bytes) -> None:
    lines = journal.split(b"\n")[:-1]
    torn = lines[3][: len(lines[3]) // 2]
    spoilt = b"\n".join([*lines[:3], torn + lines[3], b"".join(lines[4:6]), *lines[6:], b""])
    mended = mend(spoilt, DIRECTIONS)
    assert mended.data == journal
    assert [f.remedy for f in mended.faults] == [
        "keep the 1 whole records in it",
        "keep the 2 whole records in it",
    ]


def test_a_torn_last_line_is_cut_off(journal: bytes) -> None:
    mended = mend(journal + b'{"op_co', DIRECTIONS)
    assert mended.data == journal
    assert [f.text for f in mended.faults] == ["the last line of study.jsonl is torn (7 bytes)"]


@pytest.mark.parametrize("text", ["{}\n", "3\n", "not json\n", '{"op_code":99,"worker_id":"a"}\n'])
def test_a_foreign_file_is_a_usage_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "study.jsonl").write_text(text)
    with pytest.raises(UsageError, match=r"study.jsonl.*'hierprune verify RUN' says"):
        open_storage(tmp_path)
