"""Trees are found again for the same architecture, and only for it."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from hierprune.limits import Limits
from hierprune.pruners import tree_cache
from hierprune.pruners.tree_cache import architecture_sha256, find_tree, task_tree
from hierprune.task import Task


class Net(nn.Module):
    def __init__(self, width: int = 6, split: int = 2) -> None:
        super().__init__()
        self.a, self.b, self.split = nn.Linear(4, width), nn.Linear(width, 2), split

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(torch.relu(self.a(x)))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HIERPRUNE_CACHE", str(tmp_path))
    return tmp_path


def test_a_tree_is_traced_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(2, 4)
    first = find_tree(Net(), x)
    monkeypatch.setattr(tree_cache, "build_tree", lambda *a: pytest.fail("traced again"))
    assert find_tree(Net().eval(), x) == first
    assert [g.name for g in first.groups] == ["a"]


def test_a_damaged_file_is_written_anew(cache: Path) -> None:
    x = torch.randn(2, 4)
    first = find_tree(Net(), x)
    (file,) = (cache / "trees").iterdir()
    file.write_text(file.read_text()[:50])
    assert find_tree(Net(), x) == first
    assert len(file.read_text()) > 50


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HIERPRUNE_CACHE", str(tmp_path / "file"))
    assert len(find_tree(Net(), torch.randn(2, 4)).groups) == 1


@pytest.mark.parametrize("room", ["commands.model", "terminal.model", "scaffold.write"])
def test_the_command_line_and_python_find_the_same_trees(
    room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.randn(2, 4)
    importlib.import_module(f"hierprune.{room}")
    key = architecture_sha256(Net(), x)
    monkeypatch.delitem(sys.modules, f"hierprune.{room}")
    assert architecture_sha256(Net(), x) == key


def test_the_key_depends_on_what_the_tree_depends_on() -> None:
    x = torch.randn(2, 4)
    frozen = Net()
    frozen.a.weight.requires_grad_(False)
    other_code = Net()
    other_code.activation = lambda v: v + 1
    same_code = Net()
    same_code.activation = lambda v: v - 1
    keys = [
        architecture_sha256(Net(), x),
        architecture_sha256(Net(width=8), x),
        architecture_sha256(Net(split=3), x),
        architecture_sha256(Net(), torch.randn(1, 4)),
        architecture_sha256(frozen, x),
        architecture_sha256(other_code, x),
        architecture_sha256(same_code, x),
    ]
    assert len(set(keys)) == len(keys)
    assert architecture_sha256(Net(), torch.randn(2, 4)) == keys[0]
    assert architecture_sha256(Net().train(False), x) == keys[0]


def test_outputs_and_further_inputs_of_a_task_are_asked_for(cache: Path) -> None:
    class TwoWays(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 6), nn.Linear(6, 8), nn.Linear(8, 2)
            self.other = nn.Linear(6, 8)

        def forward(self, x: torch.Tensor, other: bool = False) -> dict[str, torch.Tensor]:
            features = self.a(x)
            layer = self.other if other else self.b
            return {"features": features, "logits": self.c(layer(features).relu())}

    def cuts(task: Task) -> dict[str, set[str]]:
        groups = task_tree(task, TwoWays()).groups
        return {g.name: {c.tensor for c in g.cuts if "weight" in c.tensor} for g in groups}

    x = torch.randn(2, 4)
    task = Task("t", TwoWays, [], [], [], example_inputs={"x": x})
    assert cuts(task) == {"b": {"b.weight", "c.weight"}}
    task = replace(task, more_inputs=[{"x": x, "other": True}])
    assert cuts(task) == {"b": {"b.weight", "other.weight", "c.weight"}}
    task = replace(task, outputs=["logits"])
    assert cuts(task) == {
        "a": {"a.weight", "b.weight", "other.weight"},
        "b": {"b.weight", "other.weight", "c.weight"},
    }


def test_what_was_found_in_time_is_given_but_not_kept(cache: Path) -> None:
    tree = find_tree(Net(), torch.randn(2, 4), limits=Limits(seconds=0))
    assert not tree.groups
    assert "time limit" in " ".join(e.reason for e in tree.excluded)
    assert [g.name for g in find_tree(Net(), torch.randn(2, 4)).groups] == ["a"]


def test_statistics_over_survivors_are_asked_for_by_the_task(cache: Path) -> None:
    class Gated(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.a(x)
            return self.b(torch.relu(y) * torch.sigmoid(y.mean(1, keepdim=True)))

    task = Task("gated", Gated, (), (), (), example_inputs=torch.randn(2, 4))
    assert not task_tree(task, Gated()).groups
    assert [g.name for g in task_tree(replace(task, survivors=True), Gated()).groups] == ["a"]
