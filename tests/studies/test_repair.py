"""Runs that were really damaged: verify says what, --repair mends it, nothing finished is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from hierprune.studies.book import Book
from hierprune.studies.ledger import Ledger
from hierprune.studies.liveness import Pulse
from hierprune.studies.records import next_attempt
from hierprune.studies.repair import repair_run
from hierprune.studies.run_record import RunRecord
from hierprune.studies.spool import Spool
from hierprune.studies.storage import open_storage
from hierprune.studies.study import Study
from hierprune.studies.trial import Outcome

Command = Callable[..., Any]


@pytest.fixture
def run(study: Path) -> Path:
    """A study with four finished trials of five."""
    folder = study / "study"
    replace(RunRecord.load(folder), n_trials=5).save(folder)
    return folder


def book(run: Path) -> Book:
    return Book(open_storage(run), "hierprune", RunRecord.load(run).directions)


def interrupt(run: Path) -> int:
    """A fifth trial, whose launcher died; its number."""
    last = Study.open(run).frozen()[-1]
    copy = next_attempt(last, 1)
    attributes = {k: v for k, v in copy.user_attrs.items() if k != "retry_of"}
    copy.user_attrs = attributes
    number = book(run).add(copy)
    assert book(run).claim(number, "host~machine~1~dead")
    return number


def finished(run: Path) -> dict[int, Any]:
    return {r.number: r.values for r in Study.open(run).finished()}


def repaired(command: Command, run: Path) -> Any:
    """What verify finds, and that a repair leaves nothing to find and no finished trial out."""
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    found = command("verify", run, "--json")
    assert found.code == 1
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    done = command("verify", run, "--repair", "--json")
    assert done.code == 0, done.out
    assert done.json["faults"] == []
    assert done.json["repaired"] == found.json["remedies"]
    assert list(found.json["remedies"]) == found.json["faults"]
    return found.json


def test_a_sound_run_is_left_alone(run: Path, command: Command) -> None:
    before = (run / "study.jsonl").read_bytes()
    done = command("verify", run, "--repair", "--json")
    assert (done.code, done.json["faults"], done.json["repaired"]) == (0, [], {})
    assert (run / "study.jsonl").read_bytes() == before
    assert not (run / "damaged").exists()


def test_a_dead_launchers_trial_waits_again(run: Path, command: Command) -> None:
    number = interrupt(run)
    assert (
        f"trial {number} is running, but its launcher has ended"
        in repaired(command, run)["faults"][0]
    )
    assert Study.open(run).counts()["waiting"] == 1


def test_a_spooled_result_is_recorded(run: Path, command: Command) -> None:
    number = interrupt(run)
    values = {name: 0.5 for name in RunRecord.load(run).names}
    Spool(run / "spool").put(Outcome(number, values))
    found = repaired(command, run)
    assert list(found["remedies"].values()) == ["record its result, which is there"]
    assert finished(run)[number] == values


def test_a_half_told_result_is_recorded(run: Path, command: Command) -> None:
    known = finished(run)
    lines = (run / "study.jsonl").read_text().splitlines(keepends=True)
    last = max(i for i, line in enumerate(lines) if '"values":[' in line)
    (run / "study.jsonl").write_text("".join(lines[:last] + lines[last + 1 :]))
    assert len(finished(run)) == len(known) - 1
    assert list(repaired(command, run)["remedies"].values()) == [
        "record its result, which is there"
    ]
    assert finished(run) == known


def test_a_damaged_line_is_mended_and_kept(run: Path, command: Command) -> None:
    known = finished(run)
    lines = (run / "study.jsonl").read_bytes().splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if line.startswith(b'{"op_code":4,'))
    lines[first] = b"\0" * (len(lines[first]) - 1) + b"\n"
    spoilt = b"".join(lines) + b'{"op_code":6,"wor'
    (run / "study.jsonl").write_bytes(spoilt)
    for line in ("front", "resume"):
        said = command(line, run)
        assert said.code == 2
        assert "line" in said.err
        assert "'hierprune verify RUN' says what can be saved" in said.err
    found = command("verify", run, "--json").json
    assert [text.partition(" of ")[0] for text in found["faults"]] == [
        f"line {first + 1}",
        "the last line",
    ]
    done = command("verify", run, "--repair", "--json")
    assert (done.code, done.json["faults"]) == (0, [])
    assert [p.read_bytes() for p in (run / "damaged").glob("*/study.jsonl")] == [spoilt]
    assert finished(run) == {n: v for n, v in known.items() if n != 0}
    resumed = command("resume", run, "--workers", "0", "--json")
    assert resumed.code == 0, resumed.err
    assert resumed.json["trials"]["complete"] == 5


def test_a_journal_that_is_written_is_not_mended(run: Path, command: Command) -> None:
    with (run / "study.jsonl").open("ab") as journal:
        journal.write(b"broken\n")
    pulse = Pulse(run / "alive")
    said = command("verify", run, "--repair")
    assert said.code == 2
    assert pulse.owner in said.err
    pulse.close()
    assert command("verify", run, "--repair").code == 0


def test_files_that_cannot_be_read_are_put_aside(run: Path, command: Command) -> None:
    (run / "spool").mkdir(exist_ok=True)
    weights = run / "cache" / "dense.safetensors"
    for path in (weights, run / "cache" / "tree.json", run / "spool" / "9-1.json"):
        path.write_bytes(b"{torn")
    faults = repaired(command, run)["faults"]
    assert len(faults) == 3
    assert "cache/dense.safetensors cannot be read" in faults
    assert not weights.exists()
    assert len(list((run / "damaged").glob("*/*/*"))) == 3
    assert command("pick", run, "--trial", "0", "--out", run.parent / "again").code == 0


def test_repetitions_that_nobody_needs_are_closed(run: Path, command: Command) -> None:
    study = Study.open(run).frozen()
    first = book(run).add(next_attempt(study[0], 2))  # of a finished trial
    lost = interrupt(run)
    directions = RunRecord.load(run).directions
    with Ledger(open_storage(run), run, directions, lambda *_: None, 0) as ledger:
        ledger.recover()
        twin = book(run).add(next_attempt(ledger.trials()[lost], 2))
    faults = repaired(command, run)["faults"]
    assert faults == [
        "trial 0 is COMPLETE and was repeated 1 times",
        f"trial {lost} is FAIL and was repeated 2 times",
    ]
    states = [t.state for t in Study.open(run).frozen()]
    assert states[first] == TrialState.FAIL
    assert {states[twin], states[twin - 1]} == {TrialState.WAITING, TrialState.FAIL}


def test_what_cannot_be_mended_is_said(run: Path, command: Command) -> None:
    text = (run / "study.jsonl").read_text()
    record = json.loads((run / "run.json").read_text())
    (run / "study.jsonl").write_text(text.replace(record["dense"]["sha256"], "0" * 64))
    done = command("verify", run, "--repair", "--json")
    assert done.code == 1
    assert done.json["remedies"] == {}
    assert "trial 0 prunes another dense model" in done.json["faults"]
    assert (run / "study.jsonl").read_text() != text


def test_a_repair_that_was_killed_is_done_again(
    run: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, before = run / "study.jsonl", finished(run)
    lines = journal.read_bytes().splitlines(keepends=True)
    spoilt = b"".join([*lines[:5], b"\0\0\n", *lines[5:]])
    move = Path.replace
    for moves in range(3):
        journal.write_bytes(spoilt)
        (run / "spool" / "3-1.json").write_text("{")
        left = iter(range(moves))

        def move_or_die(path: Path, target: Path, left: Iterator[int] = left) -> Path:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return move(path, target)

        monkeypatch.setattr(Path, "replace", move_or_die)
        with suppress(KeyboardInterrupt):
            repair_run(run)
        monkeypatch.setattr(Path, "replace", move)
        assert repair_run(run).faults == ()
        assert finished(run) == before
        assert any(path.read_bytes() == spoilt for path in run.glob("damaged/*/study.jsonl"))
