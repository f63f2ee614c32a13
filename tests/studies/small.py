"""A small model to prune, and one who remembers what is noted."""

from __future__ import annotations

import torch
from torch import nn

import hierprune
from hierprune.studies.progress import Silent


class Heard(Silent):
    """Remembers what is noted."""

    def __init__(self) -> None:
        self.noted: list[str] = []

    def note(self, text: str) -> None:
        self.noted.append(text)


def model() -> nn.Module:
    """The same one in every thread, whatever others draw meanwhile."""
    draw = torch.Generator().manual_seed(0)
    made = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))
    for weight in made.parameters():
        nn.init.uniform_(weight, -0.4, 0.4, generator=draw)
    return made


def task() -> hierprune.Task:
    x = torch.randn(96, 6, generator=torch.Generator().manual_seed(1))
    batches = [(x, model()(x).argmax(1))]
    return hierprune.Task("mlp", model, batches, batches, batches)
