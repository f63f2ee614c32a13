"""The card of a picked model."""

from __future__ import annotations

import doctest
import importlib
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from hierprune.objectives.latency import LatencyOptions
from hierprune.objectives.runtime import Setting
from hierprune.studies.card import card, number, verdicts
from hierprune.studies.confirmation import Confirmation, Confirmed
from hierprune.studies.latency_words import latency_words
from hierprune.studies.picked import Picked
from hierprune.studies.run_record import RunRecord
from hierprune.studies.study import Study


@pytest.fixture
def picked(study: Path) -> Picked:
    return Study.open(study / "study").pick(prefer="params")


def test_it_says_why_how_good_what_and_how_to_load(picked: Picked, tmp_path: Path) -> None:
    text = card(picked, tmp_path / "small")
    for part in (
        f"# toy, pruned: trial {picked.trial}",
        f"- Trial {picked.trial} is the best in params among all trials.",
        "better accuracy",
        "| 0 | 8 x 1 x 3 x 3 |",
        'model = hierprune.load("small")',
        "![Units kept, layer by layer](kept.svg)",
        "Data: stripes.",
    ):
        assert part in text
    row = next(line for line in text.splitlines() if line.startswith("| accuracy"))
    assert row.count(" to ") == 4
    assert "Latency" not in text


def test_its_first_line_weighs_losses_against_gains(picked: Picked, tmp_path: Path) -> None:
    first = card(picked, tmp_path).splitlines()[2]
    dense = picked.record.dense
    kept = round(picked.values["params"] * dense.params)
    assert first.startswith(f"**Test accuracy {number(picked.dense_test['accuracy'])} -> ")
    assert f"{dense.params:,} -> {kept:,} parameters" in first


def test_constraints_are_checked_on_the_test_split(picked: Picked, tmp_path: Path) -> None:
    spans = {"accuracy": (0.72, 0.88)}
    tested = replace(
        picked,
        where=("accuracy >= dense - 0.01", "params <= 0.9"),
        test={"accuracy": 0.8, "params": 0.5},
        dense_test={"accuracy": 0.85, "params": 1.0},
        test_interval=spans,
    )
    failed, held = verdicts(tested)
    assert failed == (
        "On the test split accuracy >= dense - 0.01 does NOT hold: accuracy is 0.8000, the bound "
        "is 0.8400; the bound lies within the score's 95 % interval."
    )
    assert held == "On the test split params <= 0.9 holds: params is 0.5000, the bound is 0.9000."
    assert failed in card(tested, tmp_path)
    assert verdicts(replace(tested, where=("latency <= 1",))) == []


def test_the_licence_is_named_where_it_is_known(picked: Picked, tmp_path: Path) -> None:
    known = replace(picked, record=replace(picked.record, licence="CC0"))
    assert "Data: stripes, licence CC0." in card(known, tmp_path)


def test_the_folder_holds_the_picture_and_the_scores(picked: Picked, tmp_path: Path) -> None:
    folder = picked.save(tmp_path / "small")
    assert ET.parse(folder / "kept.svg").getroot().tag.endswith("svg")
    plan = json.loads((folder / "plan.json").read_text())
    assert plan["values"] == dict(picked.values)
    assert plan["dense_test"] == dict(picked.dense_test)


def test_latency_says_how_it_is_known(study: Path) -> None:
    record = RunRecord.load(study / "study")
    setting = Setting("compile", threads=2, batch=4)
    none = Confirmation(setting)
    assert latency_words(record, none, 1) == ""
    dense = replace(record.dense, values={**record.dense.values, "latency": 2.0})
    timed = replace(
        record, dense=dense, machine="an old box", latency=LatencyOptions("predicted", setting)
    )
    text = latency_words(timed, none, 1)
    assert "predicted from the times" in text
    assert "Runtime compile, 2 threads, batch 4, torch" in text
    assert "an old box" in text
    confirmed = Confirmation(setting, {1: Confirmed(0.5, 0.45, 0.55, 9)})
    assert "0.500 of the dense time (95 %: 0.450 to 0.550)" in latency_words(timed, confirmed, 1)
    measured = replace(timed, latency=LatencyOptions("measured"))
    assert "measured by its trial" in latency_words(measured, confirmed, 2)


def test_examples() -> None:
    module = importlib.import_module("hierprune.studies.card")
    assert doctest.testmod(module).failed == 0
