"""int8 files: smaller weights, scores that are measured, nothing left when it fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import hierprune
from hierprune.objectives.base import measure_quality
from hierprune.objectives.onnx_model import OnnxModel
from hierprune.studies.quantize import Quantized, export_int8
from hierprune.studies.source import TaskSource

onnx = pytest.importorskip("onnx")
Command = Callable[..., Any]
INT8 = {onnx.TensorProto.INT8, onnx.TensorProto.UINT8}


def matrices(file: Path) -> dict[bool, int]:
    """Numbers in tensors of two and more dimensions: in int8, and not."""
    found = {True: 0, False: 0}
    for tensor in onnx.load(file).graph.initializer:
        if len(tensor.dims) >= 2:
            size = int(torch.tensor(list(tensor.dims)).prod())
            found[tensor.data_type in INT8] += size
    return found


@pytest.mark.parametrize("kind", ["dynamic", "static"])
def test_what_is_said_of_the_file_is_what_it_does(kind: str, study: Path) -> None:
    said = export_int8("picked", kind)
    assert isinstance(said, Quantized)
    assert said.path == Path("picked/model.int8.onnx")
    assert said.bytes == said.path.stat().st_size
    numbers = matrices(said.path)
    assert numbers[True] > 0
    assert numbers[False] == 0 or kind == "dynamic"
    task, model = TaskSource.parse("stripes.py:task").load(), hierprune.load("picked")
    inputs, _ = next(iter(task.batches("val")))
    again = measure_quality(OnnxModel(said.path.read_bytes(), model, inputs), task, "val")
    assert again == said.quality
    assert said.float_quality == measure_quality(model, task, "val")
    assert said.quality["accuracy"].value >= said.float_quality["accuracy"].value - 0.1
    assert sorted(p.name for p in Path("picked").iterdir() if p.name.startswith(".")) == []


def test_the_command_prints_both_scores(study: Path, command: Command) -> None:
    ended = command("export", "picked", "--int8", "static", "--out", "small.onnx")
    assert ended.code == 0, ended.err
    assert "accuracy, validation" in ended.out
    assert "±" in ended.out
    assert (study / "small.onnx").is_file()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--int8 statc", "did you mean 'static'"),
        ("--int8 static --format torch-export", "for --format onnx"),
        ("--int8 static --out small.pt2", "must end in .onnx"),
    ],
)
def test_what_cannot_work_is_said(options: str, says: str, study: Path, command: Command) -> None:
    ended = command("export", "picked", *options.split())
    assert ended.code == 2
    assert says in ended.err
    assert not (study / "picked" / "model.int8.onnx").exists()
