"""int8 files as models of a study: searched, scored, handed back, measured again."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hierprune
from hierprune.objectives.base import Candidate, measure_quality
from hierprune.objectives.packing import stored_bytes
from hierprune.studies.picked import read_int8
from hierprune.studies.source import TaskSource

pytest.importorskip("onnx")
Command = Callable[..., Any]


def first(kind: str) -> int:
    """The first trial of a kind."""
    records = hierprune.Study.open("study").finished()
    return next(r.number for r in records if r.plan["quantization"] == kind)


def test_both_kinds_are_tried_and_trained(int8_study: Path) -> None:
    records = hierprune.Study.open("study").finished()
    plans = [r for r in records if r.rung == 0]
    assert {r.plan["quantization"] for r in plans} == {"none", "static"}
    assert any(r.rung == 1 for r in records)
    by_density: dict[str, dict[str, float]] = {}
    for r in plans:
        key = json.dumps(r.plan["density"])
        by_density.setdefault(key, {})[r.plan["quantization"]] = r.values["params"]
    assert all(len(set(found.values())) == 1 for found in by_density.values())


def test_what_a_trial_measured_is_what_its_file_does(int8_study: Path) -> None:
    task = TaskSource.parse("stripes.py:task").load()
    model = hierprune.load("picked")
    file = read_int8(Path("picked"), model, task)
    plan = json.loads(Path("picked/plan.json").read_text())
    scores = measure_quality(file, task, "val")
    assert scores["loss"].value == pytest.approx(plan["values"]["loss"], rel=1e-6)
    assert scores["loss"].value != measure_quality(model, task, "val")["loss"].value
    whole = stored_bytes(task.build_model().state_dict(), sparse=False)
    assert plan["values"]["compression"] == pytest.approx(whole / file.stored_bytes())
    assert len(file.content) == Path("picked/model.int8.onnx").stat().st_size > file.stored_bytes()


def test_verify_measures_the_file(int8_study: Path, command: Command) -> None:
    ended = command("verify", "picked", "--json")
    assert ended.code == 0
    assert ended.json["int8"] is True
    assert command("verify", "study").code == 0
    Path("picked/model.int8.onnx").write_bytes(b"no graph")
    ended = command("verify", "picked")
    assert ended.code == 2
    assert "damaged" in ended.err
    Path("picked/model.int8.onnx").unlink()
    ended = command("verify", "picked")
    assert ended.code == 2
    assert "model.int8.onnx is missing" in ended.err


def test_another_model_leaves_no_file_of_it(int8_study: Path, command: Command) -> None:
    ended = command("pick", "study", "--trial", str(first("none")), "--out", "picked")
    assert ended.code == 0, ended.err
    assert not Path("picked/model.int8.onnx").exists()
    ended = command("pick", "study", "--trial", str(first("static")), "--out", "picked")
    assert "scores are those of" in ended.err
    assert "model.int8.onnx" in Path("picked/card.md").read_text()


def test_front_and_comparison_name_it(int8_study: Path, command: Command) -> None:
    shown = command("front", "study", "--json").json["front"]
    assert all(one["plan"]["quantization"] in ("none", "static") for one in shown)
    ended = command("compare", "picked", f"study:{first('none')}")
    assert "int8" in ended.out


def test_the_picked_file_is_not_overwritten_by_export(int8_study: Path, command: Command) -> None:
    before = Path("picked/model.int8.onnx").read_bytes()
    ended = command("export", "picked", "--int8", "dynamic")
    assert ended.code == 2
    assert "in int8 already (static)" in ended.err
    assert Path("picked/model.int8.onnx").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--int8 statc", "did you mean 'static'"),
        ("--int8 static", "--runtime onnxruntime --latency measured"),
        ("--int8 static --runtime onnxruntime", "--latency measured"),
        ("--int8 none,dynamic --objectives accuracy,activations", "activations"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    options: str, says: str, home: Path, command: Command
) -> None:
    ended = command("launch", "stripes.py:task", "--run", "run", *options.split())
    assert ended.code == 2
    assert says in ended.err
    assert not Path("run").exists()


def test_a_missing_package_is_named(
    int8_study: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else known(name)
    )
    options = ("--int8", "static", "--objectives", "accuracy,compression")
    for words in (("launch", "stripes.py:task", "--run", "run", *options), ("resume", "study")):
        ended = command(*words)
        assert ended.code == 2
        assert 'pip install "hierprune[onnx]"' in ended.err
    assert not Path("run").exists()


def test_a_model_that_cannot_be_exported_is_refused_before_any_trial(
    home: Path, command: Command
) -> None:
    branch = "    def forward(self, x):\n        return super().forward(x if x.mean() < 9 else 0)\n"
    text = (home / "stripes.py").read_text().replace("return nn.Sequential(", "return Net(")
    Path("odd.py").write_text(
        text.replace("def build_model", f"class Net(nn.Sequential):\n{branch}\n\ndef build_model")
    )
    options = ("--int8", "dynamic", "--objectives", "accuracy,compression")
    ended = command("launch", "odd.py:task", "--run", "run", *options)
    assert ended.code == 2
    assert "no int8 file (dynamic) can be made of this model" in ended.err
    assert not Path("run").exists()


def test_the_file_is_what_is_timed(int8_study: Path) -> None:
    from hierprune.objectives.latency import Latency
    from hierprune.objectives.runtime import Setting

    task = TaskSource.parse("stripes.py:task").load()
    model = hierprune.load("picked")
    file = read_int8(Path("picked"), model, task)
    opened: list[int] = []
    runs = file.runs
    file.runs = lambda inputs, threads: opened.append(threads) or runs(inputs, threads)
    dense = task.build_model().eval()
    Latency(Setting("onnxruntime"), seconds=0.01)(Candidate(model, dense, task, file=file))
    assert set(opened) == {1}
