"""The Python face: the command line's words, tasks as objects, values back."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
import torch
from torch import nn

import hierprune
from hierprune import api, cli, options
from hierprune.objectives.runtime import Setting
from hierprune.studies.progress import Silent, Status
from hierprune.studies.request import Request

SCRIPT = """
import torch
import hierprune
import stripes

torch.set_num_threads(1)
task = hierprune.Task(
    name="scripted",
    build_model=stripes.build_model,
    train=stripes.images(0, 128),
    val=stripes.images(1, 128),
    test=lambda: iter(stripes.images(2, 128)),
    metrics={"hits": lambda outputs, targets: (outputs.argmax(1) == targets).float()},
    training=hierprune.Training(epochs=1, lr=1e-2),
)
study = hierprune.launch(
    task, "new", trials=4, objectives=("hits", "params"), where="params < dense", workers=2
)
picked = study.pick(prefer="params")
picked.save("small")
same = hierprune.load("small", task=task)
inputs = task.example()
assert torch.equal(same(inputs), picked.model(inputs))
more = hierprune.resume("new", trials=5, workers=0, task=task)
print(len(more.finished()), len(study.front()), picked.trial)
"""


class Listener(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.statuses: list[Status] = []
        self.running: list[int] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def started(self, status: Status) -> None:
        self.running.append(status.counts["running"])

    def trial(self, status: Status) -> None:
        self.statuses.append(status)


def launch(trials: int = 3, objectives: Sequence[str] = ("accuracy", "params"), **options: object):
    settings = {"strategy": "random", "workers": 0} | options
    return hierprune.launch("stripes.py:task", trials=trials, objectives=objectives, **settings)


GIVEN: dict[str, Any] = {
    "trials": 7,
    "objectives": ("accuracy", "latency"),
    "where": ("macs <= 0.5",),
    "hold_back": False,
    "granularity": ("channel", "block"),
    "criterion": ("l1",),
    "allocation": ("lamp",),
    "space": "global",
    "budget": "macs",
    "min_density": 0.1,
    "max_density": 0.8,
    "align": 4,
    "strategy": "random",
    "max_epochs": 2.0,
    "promote": 0.2,
    "lr": 0.5,
    "distil": 0.25,
    "schedule": ("gradual",),
    "sequential": True,
    "seed": 3,
    "storage": "sqlite:///x.db",
    "latency": "measured",
    "device": "server",
    "runtime": "remote",
    "threads": 2,
    "batch": 3,
    "shape": (1, 8, 8),
    "command": "cat",
    "command_timeout": 60.0,
    "until": "macs <= 0.5",
    "patience": 9,
    "int8": ("none", "dynamic"),
}
MEANS = ({*options.MEANS} | {"task", "run", "progress"}) - {"sampler"}


def test_every_keyword_reaches_the_study(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []
    monkeypatch.setattr(api, "launch_study", lambda task, run, request, *_: asked.append(request))
    assert {*inspect.signature(hierprune.launch).parameters} == GIVEN.keys() | MEANS
    hierprune.launch("stripes.py:task", **GIVEN)
    hierprune.launch("stripes.py:task")
    assert asked == [options.request_from(GIVEN), options.request_from({})]
    assert asked[0].latency.setting == Setting("remote", 2, 3, (1, 8, 8), "cat", 60.0)


def test_a_script_without_a_main_guard_searches_a_task_object(home: Path) -> None:
    (home / "script.py").write_text(SCRIPT)
    ended = subprocess.run([sys.executable, "script.py"], cwd=home, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    finished, front, picked = map(int, ended.stdout.split())
    assert finished == 5
    assert 1 <= front <= 5
    assert 0 <= picked < 4


def test_a_task_object_must_be_given_again(home: Path) -> None:
    sys.path.insert(0, str(home))
    import stripes

    study = hierprune.launch(stripes.task(), "new", trials=1, objectives="params", workers=0)
    with pytest.raises(hierprune.UsageError, match="pass it again as task="):
        hierprune.resume("new")
    study.pick().save("small")
    with pytest.raises(hierprune.UsageError, match="pass it as task="):
        hierprune.load("small")
    assert isinstance(hierprune.load("small", task=stripes.task()), nn.Module)


def test_a_sampler_object_searches_and_must_be_given_again(home: Path) -> None:
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = launch(trials=4, strategy=sampler, run="new")
    assert study.record.strategy == "optuna:RandomSampler"
    with pytest.raises(hierprune.UsageError, match=r"as\s+strategy=... of hierprune.launch"):
        hierprune.resume("new", trials=6, workers=0)
    assert len(hierprune.resume("new", trials=6, workers=0, strategy=sampler).finished()) == 6


def test_a_study_gives_tables(home: Path) -> None:
    study = launch()
    front, trials = study.front(), study.trials()
    assert isinstance(front, pd.DataFrame)
    assert set(front.index) <= set(trials.index) == {0, 1, 2}
    assert {"accuracy", "params", "ratio", "density:0", "density:4"} <= set(trials.columns)
    assert (trials["state"] == "complete").all()
    assert front["accuracy"].is_monotonic_decreasing
    assert 0 < study.hypervolume() < 1
    assert not study.interrupted


def test_options_of_the_command_line_reach_the_record(home: Path) -> None:
    study = launch(
        trials=1,
        objectives=("accuracy", "params", "latency"),
        run="new",
        latency="measured",
        threads=2,
        batch=3,
        shape=(1, 8, 8),
        align=4,
        min_density=0.3,
        max_density=0.5,
        lr=0.01,
        seed=7,
        storage="sqlite:///record.db",
    )
    record = hierprune.Study.open("new").record
    setting = record.latency.setting
    assert record.latency.mode == "measured"
    assert (setting.threads, setting.batch, setting.shape) == (2, 3, (1, 8, 8))
    assert (record.space.align, record.space.min_density, record.space.max_density) == (4, 0.3, 0.5)
    assert (record.recovery.lr, record.seed) == (0.01, 7)
    assert len(study.finished()) == 1
    assert not (home / "new" / "study.jsonl").exists()
    with pytest.raises(hierprune.UsageError, match="no device 'fridge'"):
        launch(device="fridge")


def test_the_default_folder_is_named_after_the_task(home: Path) -> None:
    study = launch(trials=1)
    assert study.run.parent == Path("runs")
    assert study.run.name.startswith("toy-")
    assert hierprune.Study.open(study.run).counts()["complete"] == 1


def test_a_listener_hears_every_trial(home: Path) -> None:
    listener = Listener()
    launch(progress=listener)
    assert [s.counts["complete"] for s in listener.statuses] == [1, 2, 3]
    assert [len(s.ended) for s in listener.statuses] == [1, 1, 1]
    assert listener.running == [1, 1, 1]
    assert listener.notes[0] == "loading the task"
    assert listener.notes[-1] == "trying plans"


def test_names_may_be_one_word(home: Path) -> None:
    study = launch(objectives="params", where="params < 0.9", allocation="uniform")
    assert [o.name for o in study.record.objectives] == ["params"]
    assert study.record.where == ("params < 0.9",)
    assert {t.params.get("channel.allocation") for t in study.frozen()} == {None}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "tpee"}, "did you mean 'tpe'"),
        ({"objectives": "acuracy"}, "did you mean 'accuracy'"),
        ({"trials": 0}, "trials must be at least 1"),
        ({"timeout": -1.0}, "timeout must be positive"),
        ({"workers": -1}, "workers must be 0 or more"),
        ({"min_density": 0.9, "max_density": 0.1}, "min_density must be below"),
        ({"where": "params"}, "cannot read the constraint"),
        ({"where": "params <= 0.01", "space": "hierarchical"}, "lowest density that is searched"),
        ({"objectives": ("params", "params")}, "objectives must differ"),
        ({"int8": ()}, "int8 must name at least one"),
        ({"schedule": ()}, "schedule must name at least one"),
    ],
)
def test_bad_arguments_are_usage_errors(
    home: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(hierprune.UsageError, match=message):
        launch(run="new", **options)
    assert not (home / "new").exists()


def test_the_same_seed_gives_the_same_study(home: Path) -> None:
    first, second, other = (
        launch(trials=9, run=name, strategy="tpe", seed=seed)
        for name, seed in (("one", 3), ("two", 3), ("three", 4))
    )
    values = [[dict(r.values) for r in s.finished()] for s in (first, second, other)]
    assert values[0] == values[1]
    assert values[0] != values[2]


def test_prune_and_inspect_need_no_study(home: Path) -> None:
    sys.path.insert(0, str(home))
    import stripes

    model, batches = stripes.build_model(), stripes.images(0, 128)
    before = json.dumps({k: v.tolist() for k, v in model.state_dict().items()})
    tree = hierprune.inspect(model, batches[0][0][:1])
    pruned = hierprune.prune(model, batches[0][0][:1], density=0.5, calibration=batches)
    assert [g.name for g in tree.groups] == ["0", "4", "9"]
    assert pruned.model(batches[0][0]).shape == (64, 3)
    assert pruned.plan.density == pytest.approx({"0": 0.5, "4": 0.5, "9": 0.5})
    assert json.dumps({k: v.tolist() for k, v in model.state_dict().items()}) == before
    assert torch.is_grad_enabled()


def test_launch_takes_what_the_command_line_takes() -> None:
    options = {p.name for p in cli.launch.params} - {"config", "as_json", "settings", "data_dir"}
    assert options == set(inspect.signature(hierprune.launch).parameters)
    resumed = {p.name for p in cli.resume.params} - {"as_json"}
    assert resumed == set(inspect.signature(hierprune.resume).parameters) - {"task", "strategy"}
