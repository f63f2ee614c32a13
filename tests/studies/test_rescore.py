"""The front on validation samples that no trial has seen."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small import Heard

import hierprune
from hierprune.objectives.base import measure_quality
from hierprune.objectives.latency import inputs_of
from hierprune.search.front import coordinates, hypervolume
from hierprune.search.history import Record
from hierprune.studies import holdback, rescored
from hierprune.studies.launch import launch_study
from hierprune.studies.report.page import write_report
from hierprune.studies.report.progress_figure import progress_figures
from hierprune.studies.report.view import View
from hierprune.studies.request import Means, Request
from hierprune.studies.rescore import Judge
from hierprune.studies.rescored import FILE, Rescoring, Score, members
from hierprune.studies.study import Study
from hierprune.studies.trial import Trial

Command = Callable[..., Any]


@pytest.fixture
def study(home: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A finished study that held some of its 192 validation samples back."""
    monkeypatch.setattr(holdback, "ENOUGH", 100)
    return hierprune.launch(
        "stripes.py:task", "r", trials=8, objectives=["accuracy", "params"], workers=0
    )


def test_the_front_is_scored_on_what_no_trial_saw(study: Study) -> None:
    held = measure_quality(
        study.journey().dense.model, holdback.unseen(study.journey().task), "val"
    )
    assert study.asked.held_back
    assert study.scored_on == "held back"
    assert study.rescoring.samples == 64
    assert "64 samples that no trial saw" in study.pick().scored
    assert study.record.dense.values["accuracy"] == pytest.approx(held["accuracy"].value)
    assert set(study.rescoring.trials) == set(members(study.asked, study.searched()))
    for record in study.front_records():
        hits = record.values["accuracy"] * 64
        assert hits == pytest.approx(round(hits))


def test_what_is_picked_is_what_was_scored(study: Study) -> None:
    number = study.front_records()[0].number
    picked = study.pick(trial=number)
    seen = holdback.unseen(study.journey().task)
    found = measure_quality(picked.model, seen, "val")
    assert found["accuracy"].value == pytest.approx(picked.values["accuracy"])
    assert found["loss"].value == pytest.approx(picked.values["loss"], rel=1e-4)
    sequential = study.rescoring.trials[number].sequential
    assert picked.plan.recovery.sequential == (sequential > 0)


def test_the_search_goes_on_as_it_began(study: Study) -> None:
    before = {r.number: r.values for r in study.searched()}
    again = hierprune.resume("r", trials=10, workers=0)
    assert {r.number: r.values for r in again.searched() if r.number in before} == before
    assert again.scored_on == "held back"
    assert set(members(again.asked, again.searched())) <= set(again.rescoring.trials)


def test_of_one_quality_the_next_best_are_scored_too(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdback, "ENOUGH", 100)
    monkeypatch.setattr(rescored, "CONTENDERS", 3)
    study = hierprune.launch(
        "stripes.py:task", "r", trials=8, objectives="accuracy", where="macs <= 0.6", workers=0
    )
    searched = sorted(study.searched(), key=lambda r: r.values["loss"])
    allowed = [r.number for r in searched if r.values["macs"] <= 0.6]
    assert set(allowed[:3]) <= set(study.rescoring.trials)
    assert len(study.rescoring.trials) < len(searched)
    best = max(study.rescoring.trials.values(), key=lambda score: score.values["accuracy"])
    assert study.pick(prefer="accuracy").values["accuracy"] == best.values["accuracy"]


def test_a_model_off_the_front_is_scored_when_it_is_wanted(study: Study) -> None:
    other = next(r for r in study.searched() if r.number not in study.rescoring.trials)
    picked = study.pick(trial=other.number)
    assert other.number in Study.open("r").rescoring.trials
    assert picked.values["accuracy"] * 64 == pytest.approx(round(picked.values["accuracy"] * 64))


def test_constraints_of_a_pick_bring_their_own_front(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan that is dominated in the study may be the best of those that a pick allows."""
    monkeypatch.setattr(holdback, "ENOUGH", 100)
    study = hierprune.launch(
        "stripes.py:task", "r", trials=12, objectives=["accuracy", "macs"], workers=0
    )
    scored = set(study.rescoring.trials)
    known = {r.number: r for r in study.searched()}
    for bound in sorted({r.values["params"] for r in known.values()}):
        where = [f"params <= {bound + 1e-6}"]
        picked = study.pick(where, "accuracy")
        allowed = [n for n in study.members(where) if known[n].values["params"] <= bound]
        best = max(study.rescoring.trials[n].values["accuracy"] for n in allowed)
        assert picked.values["accuracy"] == pytest.approx(best)
    assert set(study.rescoring.trials) > scored


def test_without_its_file_the_front_is_what_the_search_knows(study: Study) -> None:
    (study.run / FILE).write_text("{")
    opened = Study.open("r")
    assert opened.scored_on == "searched"
    assert opened.record == opened.asked
    assert opened.front_records()


def test_small_validation_sets_stay_whole(home: Path) -> None:
    study = hierprune.launch("stripes.py:task", "r", trials=2, objectives=["accuracy"], workers=0)
    assert not study.asked.held_back
    assert study.scored_on == "all"
    assert not (study.run / FILE).exists()


def test_scores_are_read_as_they_were_written(tmp_path: Path) -> None:
    score = Score({"accuracy": 0.5}, {"accuracy": (0.4, 0.6)}, 256)
    known = Rescoring(9, score, {"accuracy": 0.1}, {3: score})
    known.save(tmp_path)
    assert Rescoring.load(tmp_path) == known
    assert Rescoring.load(tmp_path / "none") == Rescoring()


def test_reconstruction_layer_by_layer_keeps_within_its_share(study: Study) -> None:
    judge = Judge(study.journey(), study.rescoring)
    assert judge.sequential_samples(models=1, trials=10**6) == 512
    assert judge.sequential_samples(models=10**6, trials=1) == 0


def test_confirm_scores_a_front_that_was_not_scored_yet(study: Study, command: Command) -> None:
    before = (study.run / FILE).read_text()
    (study.run / FILE).unlink()
    assert command("confirm", "r").code == 0
    assert (study.run / FILE).read_text() == before
    assert command("front", "r", "--json").json["scored_on"] == "held back"


def test_the_progress_in_the_report_is_what_the_search_knew(study: Study) -> None:
    view = View.of(study)
    goal = study.asked.goal()
    known = hypervolume(coordinates(goal.axes, [r.values for r in study.searched()]))
    assert progress_figures(view)["trials"].data[0].y[-1] == pytest.approx(known)
    assert "64 samples that no trial saw" in write_report(study, Path("r.html")).read_text()


def test_nothing_is_held_back_where_it_is_not_wanted(
    home: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdback, "ENOUGH", 100)
    launch = "launch stripes.py:task --trials 1 --objectives accuracy,params --workers 0 --run"
    ended = command(*launch.split(), "r", "--no-hold-back", "--json")
    assert ended.json["scored_on"] == "all"
    assert "held back" not in ended.err
    assert command("confirm", "r").code == 2
    monkeypatch.setattr(holdback, "ENOUGH", 1000)
    assert "no validation samples are held back" in command(*launch.split(), "s").err


def test_a_trial_that_is_picked_by_number_does_not_join_the_front(study: Study) -> None:
    front = [r.number for r in study.front_records()]
    eligible = {r.number for r in study.eligible()}
    others = {r.number for r in study.judged()} - eligible
    picked = study.pick(trial=min(others))
    assert picked.trial in study.rescoring.trials
    assert {r.number for r in study.eligible()} == eligible
    assert [r.number for r in Study.open("r").front_records()] == front


def test_new_trials_are_not_hidden_by_scores_of_an_older_front(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no luck")

    monkeypatch.setattr(Study, "rescore", fails)
    again = hierprune.resume("r", trials=16, workers=0)
    opened = Study.open("r")
    assert (again.scored_on, again.rescored) == (opened.scored_on, opened.rescored)
    assert [r.number for r in again.front_records()] == [r.number for r in opened.front_records()]


def test_timed_batches_have_their_full_size(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdback, "ENOUGH", 100)
    study = hierprune.launch(
        "stripes.py:task",
        "timed",
        trials=2,
        objectives=["accuracy", "latency"],
        latency="measured",
        batch=64,
        workers=0,
    )
    journey = study.journey()
    assert len(next(iter(journey.task.batches("val")))[0]) < 64
    timed = inputs_of(study.asked.latency.setting, journey.task, journey.dense.model)
    assert len(timed) == 64


def test_scores_are_kept_one_by_one(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    known = dict(study.rescoring.trials)
    (study.run / FILE).unlink()
    score, done = Judge.score, list[int]()

    def dies_at_the_third(judge: Judge, trial: Trial, record: Record, samples: int) -> Score:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(trial.number)
        return score(judge, trial, record, samples)

    monkeypatch.setattr(Judge, "score", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        Study.open("r").rescore()
    assert sorted(Rescoring.load(study.run).trials) == done
    monkeypatch.setattr(Judge, "score", score)
    Study.open("r").rescore()
    assert Rescoring.load(study.run).trials == known


TARGETS = """
import torch
from torch import nn
import hierprune

def model():
    torch.manual_seed(0)
    narrow, wide = nn.Linear(6, 24), nn.Linear(24, 16)
    return nn.Sequential(narrow, nn.ReLU(), wide, nn.ReLU(), nn.Linear(16, 1))

def relative(out, y):
    return ((out - y).abs() / y.abs()).flatten(1).mean(1)

def task():
    x = torch.randn(384, 6, generator=torch.Generator().manual_seed(1))
    y = model()(x).detach() + 0.01
    y[ZERO] = 0.0
    rows = [(x[i : i + 32], y[i : i + 32]) for i in range(0, 384, 32)]
    metrics = {"error": hierprune.Metric(relative, "minimize")}
    return hierprune.Task("t", model, rows[6:], rows[:6], rows[6:], nn.functional.mse_loss, metrics)
"""


def searched(monkeypatch: pytest.MonkeyPatch, text: str) -> tuple[Study, list[str]]:
    monkeypatch.setattr(holdback, "ENOUGH", 100)
    Path("targets.py").write_text(text)
    heard = Heard()
    study = launch_study(
        "targets.py:task", "t", Request(("error", "params"), trials=8), Means(workers=0), heard
    )
    return study, heard.noted


def test_samples_on_which_dense_has_no_score_cost_no_result(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zero = int(holdback.held_back(0, 192).nonzero()[0])
    study, notes = searched(monkeypatch, TARGETS.replace("ZERO", str(zero)))
    assert [n for n in notes if "on the samples held back: error inf" in n]
    assert study.scored_on == "searched"
    assert study.pick().values["error"] < float("inf")


def test_models_without_a_score_are_named_and_not_picked(study: Study) -> None:
    numbers = sorted(study.rescoring.trials)
    lost = numbers[: len(numbers) // 2]
    nothing = {n: Score({"accuracy": math.nan, "loss": math.nan}) for n in lost}
    study.take_scores(replace(study.rescoring, trials={**study.rescoring.trials, **nothing}))
    assert study.rescored
    assert not {r.number for r in study.front_records()} & set(lost)
    for prefer in ("knee", "accuracy", "params", "loss"):
        assert study.choose(prefer=prefer).number not in lost
