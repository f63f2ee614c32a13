from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hierprune.studies import dense
from hierprune.studies.dense import default_cache, dense_model
from hierprune.studies.fingerprint import weights_sha256
from hierprune.task import Task, Training

torch.set_num_threads(1)

INPUTS = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
BATCHES = [(rows, (rows.sum(1) > 0).long()) for rows in INPUTS.split(8)]


def build() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


TASK = Task("a toy", build, BATCHES, BATCHES, BATCHES, training=Training(epochs=3, lr=0.01))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one entry with every training."""
    done: list[str] = []
    fit = dense.fit

    def counted(model, task, recipe, progress) -> None:
        done.append(task.name)
        fit(model, task, recipe, progress)

    monkeypatch.setattr(dense, "fit", counted)
    return done


def test_without_a_recipe_the_model_is_what_was_built(tmp_path: Path, runs: list[str]):
    model = build()
    assert dense_model(replace(TASK, build_model=lambda: model, training=None), tmp_path) is model
    assert not model.training
    assert runs == []
    assert list(tmp_path.iterdir()) == []


def test_trained_once_and_the_same_for_every_caller(tmp_path: Path, runs: list[str]):
    torch.manual_seed(1)
    shares: list[float] = []
    first = dense_model(TASK, tmp_path / "new", shares.append)
    assert shares[-1] == 1
    torch.manual_seed(2)
    second = dense_model(TASK, tmp_path / "new")
    assert weights_sha256(first) == weights_sha256(second)
    assert not second.training
    assert len(runs) == 1
    hits = (second(INPUTS).argmax(1) == (INPUTS.sum(1) > 0)).float().mean()
    assert hits > 0.8


@pytest.mark.parametrize(
    "change",
    [
        {"training": Training(epochs=2, lr=0.01)},
        {"training": Training(epochs=3, lr=0.01, seed=1)},
        {"build_model": lambda: nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 2))},
        {"build_model": lambda: nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 2))},
        {"train": BATCHES[:2]},
        {"val": BATCHES[:2]},
        {"loss": lambda outputs, targets: nn.functional.cross_entropy(outputs, targets) * 2},
    ],
)
def test_what_changes_the_weights_is_trained_anew(
    tmp_path: Path, runs: list[str], change: dict[str, object]
):
    dense_model(TASK, tmp_path)
    dense_model(replace(TASK, **change), tmp_path)
    assert len(runs) == 2
    assert len(list(tmp_path.iterdir())) == 2


def test_damaged_file_is_trained_anew(tmp_path: Path, runs: list[str]):
    whole = weights_sha256(dense_model(TASK, tmp_path))
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    for damaged in (b"", content[: len(content) // 2], b"x" * 100):
        file.write_bytes(damaged)
        assert weights_sha256(dense_model(TASK, tmp_path)) == whole
        assert file.read_bytes() == content
    assert len(runs) == 4


def test_loaders_shuffled_by_the_global_generator_do_not_disturb(tmp_path: Path, runs: list[str]):
    class Shuffled:
        def __iter__(self):
            for i in torch.randperm(len(BATCHES)).tolist():
                yield BATCHES[i]

    task = replace(TASK, train=Shuffled())
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first: Tensor = dense_model(task, tmp_path / "a")(INPUTS)
    assert torch.get_rng_state().equal(state)
    torch.manual_seed(2)
    assert dense_model(task, tmp_path / "b")(INPUTS).equal(first)
    dense_model(task, tmp_path / "b")
    assert len(runs) == 2


def test_cache_that_cannot_be_written_costs_time_only(tmp_path: Path, runs: list[str]):
    blocked = tmp_path / "file"
    blocked.touch()
    for _ in range(2):
        assert not dense_model(TASK, blocked / "cache").training
    assert len(runs) == 2


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HIERPRUNE_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.delenv("HIERPRUNE_CACHE")
    assert default_cache().name == "hierprune"
