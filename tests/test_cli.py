"""Bad input at the command line: said clearly, exit code 2, nothing written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

BAD_TASKS = """
import math

import torch
from torch import nn

import hierprune
import stripes


class OneLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 3)

    def forward(self, x):
        return self.layer(x.flatten(1))


def given(**changes):
    fields = vars(stripes.task()) | {"name": "bad", "training": None} | changes
    return hierprune.Task(**fields)


def raises():
    raise RuntimeError("no such weights")


def leaves():
    raise SystemExit(5)


def number():
    return 42


def no_train():
    return given(train=[])


def no_val():
    return given(val=[])


def no_test():
    return given(test=[])


def no_model():
    return given(build_model=lambda: None)


def other_shape():
    return given(example_inputs=torch.randn(1, 5, 8, 8))


def other_targets():
    return given(val=[(x, y.float() + 0.5) for x, y in stripes.images(1, 64)])


def one_layer():
    return given(build_model=OneLayer)


def not_finite():
    metric = lambda outputs, targets: torch.full((len(targets),), math.nan)
    return given(metrics={"accuracy": hierprune.accuracy, "strange": metric})


def endless_loss():
    return given(loss=lambda outputs, targets: outputs.sum() * math.inf)


not_callable = 3
"""

LAUNCH = "launch stripes.py:task --run new --workers 0 --trials 2"
Command = Callable[..., Any]
Spoil = Callable[[Path], object]
CREATE_TRIAL = 4  # operation code of Optuna's journal


@dataclass(frozen=True)
class Case:
    """A command line and the words that must be in what it says."""

    line: str
    says: tuple[str, ...]
    spoil: Spoil | None = None


def bad(line: str, *says: str, spoil: Spoil | None = None) -> Case:
    return Case(line, says, spoil)


def launched(options: str, *says: str, spoil: Spoil | None = None) -> Case:
    return Case(f"{LAUNCH} {options}", says, spoil)


def of_task(factory: str, *says: str) -> Case:
    return Case(LAUNCH.replace("stripes.py:task", f"bad_tasks.py:{factory}"), says)


def write(name: str, text: str) -> Spoil:
    return lambda home: (home / name).write_text(text)


def edit(name: str, old: str, new: str) -> Spoil:
    def change(home: Path) -> None:
        text = (home / name).read_text()
        assert old in text
        (home / name).write_text(text.replace(old, new))

    return change


def narrower(home: Path) -> None:
    for old, new in (("(8, 12,", "(8, 10,"), ("BatchNorm2d(12)", "BatchNorm2d(10)"), ("48", "40")):
        edit("stripes.py", old, new)(home)


def halve(name: str) -> Spoil:
    def change(home: Path) -> None:
        content = (home / name).read_bytes()
        (home / name).write_bytes(content[: len(content) // 2])

    return change


def foreign_weights(home: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"elsewhere.weight": torch.zeros(3, 3)}, home / "picked" / "model.safetensors")


def foreign_units(home: Path) -> None:
    path = home / "picked" / "plan.json"
    plan = json.loads(path.read_text())
    path.write_text(json.dumps(plan | {"keep": {"layer9": [0, 1]}}))


def no_trials(home: Path) -> None:
    """The journal as it stands before the first trial."""
    journal = home / "study" / "study.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text(
        "".join(line for line in lines if json.loads(line)["op_code"] < CREATE_TRIAL)
    )


UNKNOWN = {
    "task": bad("launch lenet5-mist", "no task 'lenet5-mist'", "did you mean 'lenet5-mnist'"),
    "objective": launched("--objectives acuracy,params", "'acuracy'", "did you mean 'accuracy'"),
    "objective-none": launched("--objectives ,", "at least one name"),
    "strategy": launched("--strategy tpee", "no strategy 'tpee'", "did you mean 'tpe'"),
    "criterion": launched("--criterion taylr", "no criterion 'taylr'", "did you mean 'taylor'"),
    "allocation": launched("--allocation unifrm", "'unifrm'", "did you mean 'uniform'"),
    "granularity": launched(
        "--granularity chanel", "no granularity 'chanel'", "did you mean 'channel'"
    ),
    "space": launched("--space flatt", "no space 'flatt'", "did you mean 'flat'"),
    "executor": launched("--executor locl", "no executor 'locl'", "did you mean 'local'"),
    "budget": launched("--budget parms", "no budget 'parms'", "did you mean 'params'"),
    "progress": launched("--progress bar", "no progress 'bar'", "lines"),
    "option": launched("--trails 3", "No such option", "--trails"),
    "command": bad("lanch stripes.py:task", "No such command", "lanch"),
    "prefer": bad("pick study --prefer acuracy", "'acuracy'", "did you mean 'accuracy'"),
    "trial": bad("pick study --trial 99", "trial 99"),
}

VALUES = {
    "trials-zero": launched("--trials 0", "trials must be at least 1, got 0"),
    "trials-word": launched("--trials many", "'many' is not a valid integer"),
    "timeout-word": launched("--timeout soon", "'soon' is no time span", "30m"),
    "timeout-zero": launched("--timeout 0s", "'0s' is no time span"),
    "timeout-negative": launched("--timeout=-5", "is no time span"),
    "trial-timeout": launched("--trial-timeout 1w", "'1w' is no time span"),
    "resources-word": launched("--resources lots", "'lots' must look like cpu=4,gpu=0.5"),
    "resources-local": launched("--resources gpu=1", "resources are Ray's to give"),
    "resources-nan": launched("--executor ray --resources gpu=nan", "gpu must be positive"),
    "resources-part": launched("--executor ray --resources gpu=1.5", "gpu must be whole above 1"),
    "resources-gpu": launched(
        "--executor ray --resources gpu=99", "a trial takes gpu=99, which this machine does not"
    ),
    "resources-own": launched("--executor ray --resources cpu=1,wings=2", "cpu=1, wings=2"),
    "on-stop": launched("--on-stop never", "no on_stop 'never'", "known: finish, requeue"),
    "on-stop here": launched("--on-stop requeue", "with 1 worker or more, got 0 workers"),
    "workers": launched("--workers=-1", "-1 is not in the range"),
    "max-epochs": launched("--max-epochs=-1", "max_epochs must be 0 or more"),
    "promote": launched("--max-epochs 1 --promote 1.5", "promote must be in"),
    "promote-untrained": launched("--promote 0.2", "promote has no use: add --max-epochs"),
    "max-epochs-nan": launched("--max-epochs nan", "max_epochs must be"),
    "lr-zero": launched("--lr 0", "lr positive"),
    "density-zero": launched("--min-density 0", "min_density must be in (0, 1], got 0"),
    "density-bound": launched(
        "--space global --min-density 0.1 --where params<=0.05",
        "0.1 of the params",
        "--min-density",
    ),
    "density-above": launched("--max-density 1.5", "max_density must be in (0, 1], got 1.5"),
    "density-nan": launched("--min-density nan", "min_density must be in (0, 1], got nan"),
    "density-order": launched("--min-density 0.8 --max-density 0.2", "below max_density"),
    "where-syntax": launched("--where accuracy>>0.9", "cannot read the constraint"),
    "where-name": launched("--where acuracy>0.9", "'acuracy'", "did you mean 'accuracy'"),
    "remote-program": launched(
        "--runtime remote --command nobench", "there is no program 'nobench'"
    ),
    "remote-fails": launched(
        "--runtime remote --command false --objectives accuracy,latency", "'false', ended with 1"
    ),
    "remote-garbage": launched(
        "--runtime remote --command date --objectives accuracy,latency", "must print milliseconds"
    ),
    "where-at-pick": bad("pick study --where accuracy~0.9", "cannot read the constraint"),
    "where-name-at-pick": bad("pick study --where acuracy>0.9", "did you mean 'accuracy'"),
    "set-without-equals": launched("--set seed", "KEY=VALUE", "'seed'"),
    "set-unknown": launched("--set sead=1", "sead", "task(seed=0, epochs=4)"),
    "data-dir-unknown": launched("--data-dir data", "data_dir", "task(seed=0, epochs=4)"),
    "storage": launched("--storage nonsense", "--storage", "'nonsense'"),
}

CONFIGS = {
    "config-missing": launched("--config none.toml", "cannot read none.toml"),
    "config-broken": launched(
        "--config c.toml", "cannot read c.toml", "line 1", spoil=write("c.toml", "trials = = 3")
    ),
    "config-all": launched(
        "--config c.toml",
        "line 2: no option 'trails' (did you mean 'trials'?)",
        "line 3: seed cannot be []: it takes a whole number",
        "line 4: timeout cannot be 'soon'",
        "line 5: sequential cannot be 'yes': it takes true or false",
        "line 6: no option 'space.kind'",
        "known options are address, align, allocation,",
        spoil=write(
            "c.toml",
            "# mine\ntrails = 3\nseed = []\ntimeout = 'soon'\nsequential = 'yes'\n"
            "'space.kind' = 'flat'",
        ),
    ),
    "config-fraction": launched(
        "--config c.toml", "trials cannot be 3.7", spoil=write("c.toml", "trials = 3.7")
    ),
    "config-truth": launched(
        "--config c.toml", "trials cannot be True", spoil=write("c.toml", "trials = true")
    ),
    "config-table": launched(
        "--config c.toml", "line 1: no option 'launch'", spoil=write("c.toml", "[launch]\nseed=1")
    ),
}

TASKS = {
    "no-file": bad("launch none.py:task", "no such file", "none.py"),
    "no-colon": bad("launch stripes.py", "names no factory", "stripes.py:FACTORY"),
    "no-factory": bad("launch stripes.py:tusk", "'tusk'", "did you mean 'task'"),
    "no-module": bad("launch nowhere.at_all:task", "no module 'nowhere'"),
    "no-python": bad(
        "launch broken.py:task", "SyntaxError", "broken.py", spoil=write("broken.py", "def (")
    ),
    "not-callable": of_task("not_callable", "no factory", "'not_callable'"),
    "raises": of_task("raises", "RuntimeError: no such weights", "bad_tasks.py"),
    "leaves": of_task("leaves", "SystemExit: 5"),
    "number": of_task("number", "must return a hierprune.Task, got int"),
    "no-train": of_task("no_train", "train is empty"),
    "no-val": of_task("no_val", "val is empty"),
    "no-test": of_task("no_test", "test is empty"),
    "no-model": of_task("no_model", "build_model must give a torch.nn.Module, got NoneType"),
    "other-shape": of_task("other_shape", "the model fails on example_inputs", "(1, 5, 8, 8)"),
    "other-targets": of_task("other_targets", "the loss fails"),
    "one-layer": of_task("one_layer", "nothing to prune", "layer: "),
    "not-finite": of_task("not_finite", "strange of the dense model is nan"),
    "endless-loss": of_task("endless_loss", "the loss must be finite"),
    "inspect": bad("inspect stripes.py:tusk", "did you mean 'task'"),
    "inspect-shape": bad("inspect bad_tasks.py:other_shape", "the model fails on example_inputs"),
}

FOLDERS = {
    "run-exists": bad(LAUNCH.replace("new", "study"), "study exists already", "resume study"),
    "run-is-file": bad(LAUNCH.replace("new", "stripes.py"), "stripes.py exists already"),
    "run-below-file": bad(LAUNCH.replace("new", "stripes.py/runs/x"), "stripes.py is no folder"),
    "no-study": bad("resume other", "other holds no study", "run.json"),
    "no-folder": bad("resume nowhere", "there is no folder nowhere", "launch"),
    "front-no-study": bad("front other", "other holds no study"),
    "compare-run": bad("compare study picked", "study is a run", "study:0"),
    "compare-nothing": bad("compare picked nowhere:1", "'nowhere:1' is neither", "RUN:TRIAL"),
    "compare-trial": bad("compare picked study:99", "trial 99 of study is not finished"),
    "compare-one": bad("compare picked", "Missing argument 'B'"),
    "watch-no-study": bad("watch other", "other holds no study"),
    "watch-no-folder": bad("watch nowhere --json", "there is no folder nowhere"),
    "pick-no-study": bad("pick other", "other holds no study"),
    "report-no-study": bad("report other", "other holds no study"),
    "verify-no-study": bad("verify other", "other is no picked model", "plan.json"),
    "verify-no-folder": bad("verify nowhere", "nowhere is no picked model"),
    "resume-trials": bad("resume study --trials 0", "trials must be at least 1, got 0"),
    "damaged": bad("front study", "run.json is damaged", spoil=halve("study/run.json")),
    "resume-damaged": bad("resume study", "run.json is damaged", spoil=halve("study/run.json")),
    "verify-damaged": bad("verify study", "run.json is damaged", spoil=halve("study/run.json")),
    "list": bad("front study", "run.json is damaged", spoil=write("study/run.json", "[]")),
    "format": bad(
        "pick study", "not of format 1", spoil=edit("study/run.json", '"format": 1', '"format": 9')
    ),
    "request-damaged": bad(
        "resume other", "request.json is damaged", spoil=write("other/request.json", "{")
    ),
    "not-prepared": bad(
        "front other", "not prepared yet", "resume other", spoil=write("other/request.json", "{}")
    ),
    "other-data": bad(
        "resume study --trials 5", "not the data", spoil=edit("stripes.py", "seed + 1", "seed + 7")
    ),
    "other-model": bad("resume study --trials 5", "not the dense model", "SHA-256", spoil=narrower),
    "other-forward": bad(
        "resume study --trials 5",
        "not the dense model",
        "its accuracy is",
        spoil=edit("stripes.py", "nn.ReLU()", "nn.Tanh()"),
    ),
    "pick-other-forward": bad(
        "pick study --out new",
        "not the dense model",
        "its accuracy is",
        spoil=edit("stripes.py", "nn.ReLU()", "nn.Tanh()"),
    ),
    "task-file-gone": bad(
        "resume study", "no such file", spoil=lambda home: (home / "stripes.py").unlink()
    ),
    "no-trial-yet": bad("pick study", "no finished trial", spoil=no_trials),
}

OUT = {
    "out-other": bad("pick study --out other", "other exists and holds something else"),
    "out-file": bad("pick study --out stripes.py", "stripes.py is no folder"),
    "out-below-file": bad("pick study --out stripes.py/x", "stripes.py is no folder"),
    "out-report": bad("report study --out stripes.py/x.html", "stripes.py"),
    "figures-file": bad("report study --figures stripes.py", "stripes.py", "no folder"),
    "weights-half": bad(
        "verify picked", "model.safetensors is damaged", spoil=halve("picked/model.safetensors")
    ),
    "weights-gone": bad(
        "verify picked",
        "no model.safetensors",
        spoil=lambda home: (home / "picked/model.safetensors").unlink(),
    ),
    "weights-foreign": bad("verify picked", "do not fit its plan", spoil=foreign_weights),
    "plan-half": bad("verify picked", "plan.json is damaged", spoil=halve("picked/plan.json")),
    "plan-list": bad(
        "verify picked", "plan.json is damaged", spoil=write("picked/plan.json", "[1]")
    ),
    "plan-format": bad(
        "verify picked", "format is 2", spoil=edit("picked/plan.json", '"format": 1', '"format": 2')
    ),
    "plan-units": bad("verify picked", "no group 'layer9'", spoil=foreign_units),
    "plan-task": bad(
        "verify picked", "did you mean 'task'", spoil=edit("picked/plan.json", ":task", ":tusk")
    ),
}

OTHERS = {
    "export-format": bad("export picked --format onxx", "'onxx'", "did you mean 'onnx'"),
    "export-int8": bad("export picked --int8 weird", "'weird'", "known: dynamic, static"),
    "export-run": bad("export study", "study is no picked model"),
    "export-nothing": bad("export nowhere", "nowhere is no picked model"),
    "confirm-time": bad("confirm study --time 0s", "'0s' is no time span"),
    "confirm-no-folder": bad("confirm nowhere", "there is no folder nowhere"),
    "prune-neither": bad("prune stripes.py:task --out new", "give either a plan or a density"),
    "prune-density": bad(
        "prune stripes.py:task --density 2 --out new", "density must be in (0, 1]"
    ),
    "prune-schedule": bad(
        "prune stripes.py:task --density 0.5 --schedule oneshoot --out new",
        "did you mean 'oneshot'",
    ),
    "init-name": bad(
        "init --model stripes.py:built_model --data stripes.py:images --out new.py",
        "did you mean 'build_model'",
    ),
    "init-file": bad(
        "init --model nope.py:Net --data stripes.py:images --out new.py", "no such file"
    ),
    "completion": bad("completion tcsh", "'tcsh'", "bash"),
}

CASES = UNKNOWN | VALUES | CONFIGS | TASKS | FOLDERS | OUT | OTHERS


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file and folder below, and what is in the files."""
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b""
        for p in sorted(folder.rglob("*"))
        if "__pycache__" not in p.parts
    }


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_said_clearly_and_nothing_is_written(
    name: str, study: Path, command: Command
) -> None:
    case = CASES[name]
    (study / "other").mkdir()
    (study / "other" / "note.txt").write_text("mine")
    (study / "bad_tasks.py").write_text(BAD_TASKS)
    if case.spoil is not None:
        case.spoil(study)
    before = snapshot(study)
    ended = command(*case.line.split())
    assert ended.code == 2, ended.err
    for words in case.says:
        assert words in ended.err
    assert ended.out == ""
    assert "Traceback" not in ended.err
    assert snapshot(study) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable for root")
@pytest.mark.parametrize("line", [LAUNCH.replace("new", "locked/x"), "pick study --out locked/x"])
def test_a_folder_that_cannot_be_written_to_is_said_before_any_work(
    line: str, study: Path, command: Command
) -> None:
    (study / "locked").mkdir(mode=0o500)
    ended = command(*line.split())
    assert ended.code == 2
    assert "locked is no folder that can be written to" in ended.err
