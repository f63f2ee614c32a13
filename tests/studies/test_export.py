"""Exported files compute what the picked model does, for any batch size, or are not written."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import hierprune
from hierprune.errors import UsageError
from hierprune.objectives.packing import save_state
from hierprune.studies import export_formats
from hierprune.studies.export import export_picked
from hierprune.studies.picked import PLAN, WEIGHTS
from hierprune.task import Inputs, Task, forward

torch.set_num_threads(1)
SUFFIX = {"onnx": ".onnx", "torch-export": ".pt2"}
SIZES = (1, 3, 7)  # of the validation batches


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(6, 8, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][:, -1])


class Attention(nn.Module):
    """Named inputs, a mask, and sequences whose length differs between batches."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(20, 8)
        self.mix = nn.MultiheadAttention(8, 2, batch_first=True)
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, ids: Tensor, mask: Tensor, scale: float = 1.0) -> dict[str, Tensor]:
        x = self.words(ids)
        x = x + self.mix(x, x, x, key_padding_mask=mask == 0, need_weights=False)[0]
        x = x + self.down(torch.relu(self.up(x)))
        return {"logits": scale * self.head(x.mean(dim=1)), "states": x}


class TwoInputs(nn.Module):
    """Outputs as a tuple, one of them of whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(5, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        out = self.head(torch.relu(self.a(x) + self.b(y)))
        return out, out.argmax(dim=1)


class LastStates(nn.Module):
    """The state at the end of each sequence; ``len`` of a tensor is what few tracers follow."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(6, 8, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        states, _ = self.rnn(x)
        return self.head(states[torch.arange(len(x)), lengths - 1])


class Branching(nn.Module):
    """What no exporter can follow: a Python branch on a value."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x[:, 0])
        return self.b(h if float(h.sum()) > 0 else -h)


def convolutions() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Dropout(), nn.Linear(8, 3),
    )  # fmt: skip


def images(n: int) -> Inputs:
    return torch.randn(n, 3, 8, 8)


def sequences(n: int) -> Inputs:
    return torch.randn(n, 5, 6)


def two(n: int) -> Inputs:
    return [torch.randn(n, 4), torch.randn(n, 5)]


def words(n: int) -> Inputs:
    length = 4 + n
    mask = (torch.arange(length) < 4).long().expand(n, length)
    return {"mask": mask, "ids": torch.randint(0, 20, (n, length)), "scale": 0.5}


def with_lengths(n: int) -> Inputs:
    return torch.randn(n, 5, 6), torch.arange(n) % 5 + 1


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[int], Inputs]]] = {
    "convolutions": (convolutions, images),
    "two-inputs": (TwoInputs, two),
    "recurrent": (Recurrent, sequences),
    "attention": (Attention, words),
    "last-states": (LastStates, with_lengths),
}


@pytest.fixture(autouse=True)
def own_cache(dense_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIERPRUNE_CACHE", str(dense_cache))


def picked(build: Callable[[], nn.Module], inputs: Callable[[int], Inputs], folder: Path) -> Task:
    """A folder with a pruned model, and its task."""

    def seeded() -> nn.Module:
        torch.manual_seed(0)
        return build()

    torch.manual_seed(1)
    batches = [(inputs(n), torch.zeros(n)) for n in SIZES]
    small = hierprune.prune(seeded(), batches[1][0], 0.5)
    folder.mkdir()
    save_state(small.model.state_dict(), folder / WEIGHTS)
    (folder / PLAN).write_text(json.dumps(small.plan.to_json()))
    return Task("toy", seeded, batches, batches, batches)


def run_file(path: Path, inputs: Inputs) -> list[Tensor]:
    """What a user gets from the file alone."""
    if path.suffix == ".pt2":
        return export_formats.tensors(forward(torch.export.load(path).module(), inputs))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    if isinstance(inputs, dict):
        feed = {name: inputs[name].numpy() for name in names}
    else:
        values = export_formats.tensors(inputs)
        feed = {name: t.numpy() for name, t in zip(names, values, strict=True)}
    return [torch.from_numpy(o) for o in session.run(None, feed)]


@pytest.mark.parametrize("format", SUFFIX)
@pytest.mark.parametrize("name", MODELS)
def test_the_file_computes_what_the_model_does(name: str, format: str, tmp_path: Path) -> None:
    build, inputs = MODELS[name]
    folder = tmp_path / "picked"
    task = picked(build, inputs, folder)
    before = set(folder.iterdir())
    found = export_picked(folder, format, task=task)
    assert found.path == folder / f"model{SUFFIX[format]}"
    assert set(folder.iterdir()) - before == {found.path}
    assert found.bytes == found.path.stat().st_size
    assert 0 <= found.difference < 1e-4
    model = hierprune.load(folder, task)
    for n in (1, 2, 5, 11):
        batch = inputs(n)
        with torch.no_grad():
            expected = export_formats.tensors(forward(model, batch))
        torch.testing.assert_close(run_file(found.path, batch), expected, atol=1e-4, rtol=1e-4)


def test_sizes_have_names_that_say_what_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "picked"
    build, inputs = MODELS["attention"]
    task = picked(build, inputs, folder)
    graph = onnx.load(hierprune.export(folder, "onnx", task=task)).graph
    sizes = {
        v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in graph.input
    }
    assert sizes == {"ids": ["batch", "mask_dim1"], "mask": ["batch", "mask_dim1"]}
    for value in [*graph.value_info, *graph.output]:
        for size in value.type.tensor_type.shape.dim:
            assert not re.search(r"\bs\d", size.dim_param)


def test_the_file_is_smaller_than_the_dense_weights(tmp_path: Path) -> None:
    folder = tmp_path / "picked"
    wide = nn.Sequential(nn.Linear(6, 300), nn.ReLU(), nn.Linear(300, 300), nn.ReLU())
    task = picked(lambda: nn.Sequential(wide, nn.Flatten(), nn.Linear(1500, 2)), sequences, folder)
    found = export_picked(folder, "onnx", task=task)
    params = sum(p.numel() for p in task.build_model().parameters())
    assert params * 4 < found.dense_bytes < params * 4 + 2000
    assert found.bytes < 0.6 * found.dense_bytes


def test_nothing_of_the_data_or_of_the_machine_is_in_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "picked"
    task = picked(Recurrent, sequences, folder)
    traced = torch.cat([inputs for inputs, _ in task.batches("val")])[-7:][:3].numpy().tobytes()
    program = zipfile.ZipFile(hierprune.export(folder, "torch-export", task=task))
    content = b"".join(program.read(name) for name in program.namelist())
    graph = onnx.load(hierprune.export(folder, "onnx", task=task)).SerializeToString()
    for written in (content, graph):
        assert len(written) > 1000
        assert traced not in written
        assert Path(__file__).name.encode() not in written


@pytest.mark.parametrize("format", SUFFIX)
def test_a_model_that_cannot_be_exported_leaves_nothing(
    format: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "picked"
    task = picked(Branching, sequences, folder)
    before = set(folder.iterdir())
    with pytest.raises(RuntimeError, match=r"export of .*picked failed, nothing was wr") as caught:
        hierprune.export(folder, format, task=task)
    assert "Python branches on the values of tensors" in str(caught.value)
    assert "test_export.py:" in str(caught.value)
    assert "float(h.sum()) > 0" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr() == ("", "")
    assert set(folder.iterdir()) == before


def test_a_recurrent_model_needs_one_length(tmp_path: Path) -> None:
    folder = tmp_path / "picked"
    task = picked(Recurrent, lambda n: torch.randn(n, 3 + n, 6), folder)
    with pytest.raises(RuntimeError, match="padded to one length"):
        hierprune.export(folder, "torch-export", task=task)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda o: o + 1e-3, r"differ by 0\.00\d+ on validation inputs; at most 0\.0001"),
        (lambda o: o * torch.nan, "differ by inf"),
        (lambda o: o[:, :1], r"outputs of shapes \[\(1, 1\)\], the model \[\(1, 3\)\]"),
    ],
)
def test_a_file_that_computes_something_else_is_not_kept(
    spoil: Callable[[Tensor], Tensor], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "picked"
    task = picked(Recurrent, sequences, folder)
    before = set(folder.iterdir())
    load = torch.export.load

    def spoilt(path: Path) -> SimpleNamespace:
        module = load(path).module()
        return SimpleNamespace(module=lambda: lambda x: spoil(module(x)))

    monkeypatch.setattr(torch.export, "load", spoilt)
    with pytest.raises(RuntimeError, match=said):
        hierprune.export(folder, "torch-export", task=task)
    assert set(folder.iterdir()) == before


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_packages_that_are_missing_are_named(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = export_formats.importlib.util.find_spec
    monkeypatch.setattr(
        export_formats.importlib.util, "find_spec", lambda n: None if n == package else find(n)
    )
    with pytest.raises(UsageError, match=rf'needs {package},.*pip install "hierprune\[onnx\]"'):
        hierprune.export(tmp_path / "not-looked-at", "onnx")


def test_the_command(study: Path, command: Callable[..., object]) -> None:
    ended = command("export", "picked", "--format", "torch-export", "--out", "small.pt2")
    assert ended.code == 0
    assert "small.pt2" in ended.out
    assert f"{(study / 'small.pt2').stat().st_size:,}" in ended.out
    assert "agrees with the model" in ended.err
    images = torch.randn(5, 1, 8, 8)
    model = hierprune.load(study / "picked")
    torch.testing.assert_close(run_file(study / "small.pt2", images)[0], model(images))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("picked --format onx", "no format 'onx' (did you mean 'onnx'?)"),
        ("nowhere", "nowhere is no picked model"),
        ("picked --out small.pt2", "must end in .onnx, got small.pt2"),
        ("picked --out nowhere/small.onnx", "nowhere is no folder"),
        ("picked --out folder.onnx", "folder.onnx is a folder"),
    ],
)
def test_bad_input_of_the_command(
    line: str, said: str, study: Path, command: Callable[..., object]
) -> None:
    (study / "folder.onnx").mkdir()
    before = set(study.rglob("*"))
    ended = command("export", *line.split())
    assert (ended.code, said in ended.err) == (2, True), ended.err
    assert {p for p in study.rglob("*") if "__pycache__" not in p.parts} <= before
