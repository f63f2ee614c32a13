"""What became of every layer."""

from __future__ import annotations

import torch
from torch import nn

from hierprune.studies.changes import Change, changes


def test_shapes_zeros_and_layers_that_are_gone() -> None:
    dense = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 2), nn.Linear(2, 2))
    small = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2), nn.Identity())
    with torch.no_grad():
        for layer in (small[0], small[2]):
            layer.weight.fill_(1.0)
        small[2].weight[0] = 0
    found = changes(dense, small)
    assert found == [
        Change("0", (6, 4), (3, 4), 12),
        Change("2", (2, 6), (2, 3), 3),
        Change("3", (2, 2), (), 0),
    ]
    assert [c.share for c in found] == [0.5, 0.25, 0.0]
