"""A first task file: written, right, and never over another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

Command = Callable[..., Any]

NET = """
import torch
from torch import nn


class Net(nn.Sequential):
    def __init__(self, inputs=6, hidden=12, outputs=3):
        super().__init__(
            nn.Flatten(), nn.Linear(inputs, hidden), nn.ReLU(),
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs),
        )


net = Net()
number = 3


def parts():
    x = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))
    batches = [(b, b[:, :3].argmax(1)) for b in x.split(10)]
    return batches[:4], batches[4:5], batches[5:]


def hits(outputs, targets):
    return (outputs.argmax(1) == targets).float()
"""


@pytest.fixture
def place(home: Path) -> Path:
    """The user's folder with a model, and data of every kind."""
    (home / "net.py").write_text(NET)
    x = np.random.default_rng(0).normal(size=(200, 6)).astype("float32")
    y = x[:, :3].argmax(1)
    np.savez(home / "data.npz", x=x, y=y)
    torch.save({"x": torch.from_numpy(x), "y": torch.from_numpy(y)}, home / "data.pt")
    lines = [",".join(map(str, [*row, "abc"[k]])) for row, k in zip(x, y, strict=True)]
    (home / "data.csv").write_text("\n".join(["p,q,r,s,t,u,class", *lines]) + "\n")
    for kind in "ab":
        (home / "photos" / kind).mkdir(parents=True)
        for i in range(10):
            pixels = np.full((4, 4, 3), 200 * (kind == "a") + i, np.uint8)
            Image.fromarray(pixels).save(home / "photos" / kind / f"{i}.png")
    return home


def init(command: Command, options: str) -> Any:
    return command("init", *options.split())


@pytest.mark.parametrize(
    "options",
    [
        "--data data.npz --epochs 2",
        "--data data.pt --epochs 2",
        "--data data.csv --target class --epochs 2",
        "--data net.py:parts --epochs 0 --metric net.py:hits",
        "--data photos --size 4 --arg inputs=48 --arg outputs=2 --epochs 2",
        "--data data.csv --target u --inputs p,q,r --arg inputs=3 --arg outputs=1 --metric mae",
        "--data data.csv --target u --inputs p,q,r --arg inputs=3 --arg outputs=1 --metric mse",
        "--data data.npz --arg outputs=1 --metric binary-accuracy",
    ],
)
def test_the_file_runs_as_it_is_written(options: str, place: Path, command: Command) -> None:
    ended = init(command, f"--model net.py:Net {options} --out my_task.py")
    assert ended.code == 0, ended.err
    assert "hierprune inspect my_task.py:task" in ended.err
    found = command("inspect", "my_task.py:task", "--json")
    assert [g["units"] for g in found.json["groups"]] == [12, 12]
    lines = (place / "my_task.py").read_text().splitlines()
    assert max(map(len, lines)) <= 100


def test_the_written_task_is_searched_and_picked(place: Path, command: Command) -> None:
    torch.manual_seed(0)
    (place / "sub").mkdir()
    exec(NET, scope := {"__name__": "net"})
    torch.save({"state_dict": scope["Net"]().state_dict()}, place / "sub" / "net.pt")
    line = "--model net.py:Net --weights sub/net.pt --data data.npz"
    assert init(command, line).code == 0
    objectives = "--objectives accuracy,params"
    launch = f"launch my_task.py:task --run new --workers 0 --trials 2 {objectives}"
    assert command(*launch.split()).code == 0
    assert command("pick", "new", "--out", "small").code == 0
    assert command("verify", "small").code == 0


def test_a_module_that_is_made_already_is_copied(place: Path, command: Command) -> None:
    assert init(command, "--model net.py:net --data net.py:parts --epochs 0").code == 0
    assert "copy.deepcopy(net)" in (place / "my_task.py").read_text()


def test_a_task_that_needs_a_hand_is_kept_and_said(place: Path, command: Command) -> None:
    ended = init(command, "--model net.py:Net --arg inputs=5 --data data.npz")
    assert ended.code == 1
    assert "my_task.py, which needs your hand" in ended.err
    assert "the model fails on the head of val, (1, 6)" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--data data.npz", "--model is needed"),
        ("--model net.py:Net", "--data is needed"),
        ("--model net.py --data data.npz", "FILE.py:NAME"),
        ("--model none.py:Net --data data.npz", "no such file"),
        ("--model net.py:Nett --data data.npz", "did you mean 'Net'"),
        ("--model net.py:number --data data.npz", "must be a class"),
        ("--model net.py:parts --data data.npz", "must give a torch.nn.Module, got tuple"),
        ("--model net.py:net --arg inputs=3 --data data.npz", "made already"),
        ("--model net.py:Net --arg inputs --data data.npz", "KEY=VALUE"),
        ("--model net.py:Net --arg wide=3 --data data.npz", "wide"),
        ("--model net.py:Net --data none.npz", "no file none.npz"),
        ("--model net.py:Net --data data.txt", "no folder of images"),
        ("--model net.py:Net --data photos", "--size"),
        ("--model net.py:Net --data data.csv", "--target"),
        ("--model net.py:Net --data net.py:number", "must be a function"),
        ("--model net.py:Net --data data.npz --weights none.pt", "none.pt"),
        ("--model net.py:Net --data data.npz --weights data.pt", "does not fit"),
        ("--model net.py:Net --data data.npz --metric acuracy", "did you mean 'accuracy'"),
        ("--model net.py:Net --data data.npz --out stripes.py", "exists already"),
        ("--model net.py:Net --data data.npz --out my-task.py", "must be a Python file"),
        ("--model net.py:Net --data data.npz --out none/t.py", "no folder none"),
        ("--model net.py:Net --data data.npz --out photos/t.py", "another --out"),
    ],
)
def test_what_cannot_work_is_said_and_nothing_written(
    line: str, says: str, place: Path, command: Command
) -> None:
    before = sorted(p for p in place.rglob("*") if "__pycache__" not in p.parts)
    ended = init(command, line)
    assert ended.code == 2, ended.err
    assert says in ended.err
    assert "Traceback" not in ended.err
    assert sorted(p for p in place.rglob("*") if "__pycache__" not in p.parts) == before
