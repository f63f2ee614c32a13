import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import hierprune
from hierprune.errors import UsageError
from hierprune.objectives.runtime import Setting
from hierprune.search.history import Record
from hierprune.studies.confirm import confirm, missing
from hierprune.studies.confirmation import FILE, Confirmation, Confirmed, verdict
from hierprune.studies.latency import TABLE

RECORD = Record(3, 0, None, None, {}, {"latency": 1.0, "accuracy": 0.9}, {}, {}, {})
FOUND = Confirmed(0.5, 0.4, 0.6, 12)


def test_a_confirmed_latency_takes_the_place_of_the_predicted_one():
    known = Confirmation(Setting(), {3: FOUND}).applied(RECORD, dense_ms=4.0)
    assert known.values == {"latency": 2.0, "accuracy": 0.9}
    assert known.interval["latency"] == pytest.approx((1.6, 2.4))
    other = replace(RECORD, number=4)
    assert Confirmation(Setting(), {3: FOUND}).applied(other, dense_ms=4.0) is other


@pytest.mark.parametrize(
    ("interval", "said"),
    [((1.0, 1.9), "faster"), ((2.1, 3.0), "slower"), ((1.9, 2.1), "undecided")],
)
def test_only_an_interval_on_one_side_of_dense_says_something(interval, said):
    assert verdict(replace(RECORD, interval={"latency": interval}), 2.0) == said


def test_no_interval_says_nothing():
    assert verdict(RECORD, 2.0) == "undecided"


def test_what_another_setting_measured_is_not_taken(tmp_path: Path):
    Confirmation(Setting(), {3: FOUND}, "now").save(tmp_path)
    assert Confirmation.load(tmp_path, Setting()).trials == {3: FOUND}
    assert Confirmation.load(tmp_path, Setting(threads=2)).trials == {}
    (tmp_path / FILE).write_text("{")
    assert Confirmation.load(tmp_path, Setting()).trials == {}


def test_what_may_be_picked_is_timed_like_the_front():
    a, b, c = (replace(RECORD, number=n) for n in (1, 2, 3))
    study = SimpleNamespace(
        front_records=lambda: [a, b],
        allowed_front=lambda: [b, c],
        confirmation=Confirmation(Setting(), {1: FOUND}),
    )
    assert missing(study) == [b, c]  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_study_ends_with_a_confirmed_front(home: Path, command):
    study = hierprune.launch("stripes.py:task", "r", trials=6, workers=0, strategy="random")
    assert (study.run / "cache" / TABLE).is_file()
    assert not missing(study)
    listed = command("front", "r", "--json").json
    assert listed["front"]
    for row in listed["front"]:
        assert row["latency_known"] == "confirmed"
        low, high = row["interval"]["latency"]
        assert low <= row["values"]["latency"] <= high
        slower = low > listed["dense"]["latency"]
        assert (row["against_dense"] == "slower") == slower
    (study.run / FILE).unlink()
    study.reread()
    assert missing(study)
    predicted = command("front", "r", "--json").json["front"]
    assert {row["latency_known"] for row in predicted} == {"predicted"}
    ended = command("confirm", "r", "--time", "3s", "--json")
    assert ended.code == 0
    assert {row["latency_known"] for row in ended.json["front"]} == {"confirmed"}
    before = json.loads((study.run / FILE).read_text())["trials"]
    assert command("confirm", "r").code == 0
    assert json.loads((study.run / FILE).read_text())["trials"] == before


@pytest.mark.slow
def test_models_that_are_no_faster_are_marked_where_latency_is_only_a_constraint(
    home: Path, command
):
    study = hierprune.launch(
        "stripes.py:task",
        "r",
        trials=4,
        workers=0,
        objectives=("accuracy", "params"),
        where=("latency <= dense * 9",),
    )
    rows = command("front", "r", "--json").json["front"]
    marked = [row for row in rows if row["against_dense"] != "faster"]
    shown = command("front", "r").out
    assert "speed-up" in shown
    assert shown.count(" ~") + shown.count("SLOWER") >= len(marked)
    assert study.front().against_dense.tolist() == [row["against_dense"] for row in rows]


def test_nothing_is_timed_where_latency_is_no_objective(study: Path):
    found = hierprune.Study.open(study / "study")
    with pytest.raises(UsageError, match="latency is no objective"):
        confirm(found, seconds=1.0)
    assert not (study / "study" / FILE).exists()
