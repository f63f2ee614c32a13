"""A task that a user could have written, and the command line run as they would run it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

import hierprune
from hierprune.cli import run

settings.register_profile("steady", deadline=None)  # other processes may slow a test down
settings.load_profile("steady")

TOY = '''"""A small CNN on noisy stripes: level, upright, or dots."""

import torch
from torch import nn

import hierprune


def build_model():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Linear(48, 16), nn.ReLU(), nn.Linear(16, 3),
    )


def images(seed, count):
    targets = torch.arange(count) % 3
    patterns = torch.ones(3, 8, 8)
    patterns[0, ::2] = patterns[1, :, ::2] = patterns[2, ::2, ::2] = -1
    noise = torch.randn(count, 8, 8, generator=torch.Generator().manual_seed(seed))
    inputs = (patterns[targets] + 0.8 * noise).unsqueeze(1)
    return list(zip(inputs.split(64), targets.split(64)))


def task(seed=0, epochs=4):
    return hierprune.Task(
        name="toy",
        data="stripes",
        build_model=build_model,
        train=images(seed, 384),
        val=images(seed + 1, 192),
        test=images(seed + 2, 192),
        training=hierprune.Training(epochs=epochs, lr=1e-2),
    )
'''


@dataclass(frozen=True)
class Ended:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Ended]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="session")
def dense_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the trained dense models of all tests are kept."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dense_cache: Path) -> Iterator[Path]:
    """The user's folder, with ``stripes.py`` in it, as the working directory.

    What is imported from it is forgotten afterwards.
    """
    torch.set_num_threads(1)
    (tmp_path / "stripes.py").write_text(TOY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HIERPRUNE_CACHE", str(dense_cache))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    path = list(sys.path)
    yield tmp_path
    sys.path[:] = path
    forget(tmp_path)


def forget(folder: Path) -> None:
    """Take the modules that were imported from a folder out of ``sys.modules``."""
    for name, module in list(sys.modules.items()):
        file = vars(module).get("__file__")
        if isinstance(file, str) and Path(file).is_relative_to(folder):
            del sys.modules[name]


@pytest.fixture
def command(home: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line in this process."""

    def call(*arguments: str | Path) -> Ended:
        capsys.readouterr()
        code = run([str(a) for a in arguments])
        return Ended(code, *capsys.readouterr())

    return call


@pytest.fixture
def start(home: Path) -> Start:
    """Starts a command line as a process that leads a group of its own."""

    def process(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "hierprune", *arguments],
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return process


@contextmanager
def at_home(folder: Path, dense_cache: Path) -> Iterator[None]:
    """Work in a folder with ``stripes.py`` in it."""
    (folder / "stripes.py").write_text(TOY)
    path = list(sys.path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIERPRUNE_CACHE", str(dense_cache))
        patch.chdir(folder)
        yield
    sys.path[:] = path
    forget(folder)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, dense_cache: Path) -> Path:
    """A folder with ``stripes.py``, a finished study ``study`` and its knee in ``picked``."""
    folder = tmp_path_factory.mktemp("finished")
    with at_home(folder, dense_cache):
        study = hierprune.launch(
            "stripes.py:task",
            "study",
            trials=4,
            objectives=("accuracy", "params"),
            strategy="random",
            workers=0,
        )
        study.pick().save("picked")
    return folder


@pytest.fixture(scope="session")
def quantized(tmp_path_factory: pytest.TempPathFactory, dense_cache: Path) -> Path:
    """The like, of which some trials are int8 files; the first of them is in ``picked``."""
    folder = tmp_path_factory.mktemp("quantized")
    with at_home(folder, dense_cache):
        study = hierprune.launch(
            "stripes.py:task",
            "study",
            trials=4,
            objectives=("accuracy", "compression"),
            int8=("none", "static"),
            strategy="grid",
            max_epochs=1,
            workers=0,
        )
        first = next(r for r in study.finished() if r.plan["quantization"] == "static")
        study.pick(trial=first.number).save("picked")
    return folder


def spoilable(made: Path, home: Path) -> Path:
    """A copy of one of these folders."""
    shutil.copytree(made, home, dirs_exist_ok=True)
    for file in (home / "study" / "run.json", home / "picked" / "plan.json"):
        file.write_text(file.read_text().replace(str(made), str(home)))
    return home


@pytest.fixture
def study(finished: Path, home: Path) -> Path:
    """The user's folder, with a study and a picked model in it that may be spoilt."""
    return spoilable(finished, home)


@pytest.fixture
def int8_study(quantized: Path, home: Path) -> Path:
    """The like, with int8 files."""
    return spoilable(quantized, home)
