"""What one-layer sensitivities cost is said before the first trial."""

from pathlib import Path

import torch
from torch import nn

import hierprune
from hierprune.search.space import SpaceOptions
from hierprune.studies.begin import prepare_study
from hierprune.studies.pending import Pending
from hierprune.studies.prepare import CACHE, read_profile
from hierprune.studies.progress import Silent
from hierprune.studies.request import Request


class Notes(Silent):
    """Remembers what is noted."""

    def __init__(self) -> None:
        self.noted: list[str] = []

    def note(self, text: str) -> None:
        self.noted.append(text)


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))


def task() -> hierprune.Task:
    x = torch.randn(96, 6, generator=torch.Generator().manual_seed(1))
    batches = [(x, model()(x).argmax(1))]
    return hierprune.Task("mlp", model, batches, batches, batches)


def noted(folder: Path, allocation: str) -> list[str]:
    """What is said of sensitivities while a study is prepared."""
    notes, space = Notes(), SpaceOptions(allocations={"channel": (allocation,)})
    folder.mkdir()
    prepare_study(folder, Pending(None, Request(space=space)), task(), notes)
    return [n for n in notes.noted if "sensitivities" in n and "trial" in n]


def test_as_trials_where_they_were_measured(tmp_path: Path) -> None:
    (line,) = noted(tmp_path / "run", "dp")
    assert line.startswith("one-layer sensitivities (channel, activation) took ")
    assert "as long as" in line
    profile = read_profile(tmp_path / "run" / CACHE, "channel", "activation")
    assert profile is not None
    assert profile.seconds > 0
    assert noted(tmp_path / "other", "uniform") == []
