"""The masked model as a reference, with statistics over what stays."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hierprune.pruners.masking import LivingStatistics, living
from hierprune.pruners.oracle import Oracle
from hierprune.pruners.surgery import cut
from hierprune.pruners.trace import build_tree


class Standardised(nn.Module):
    """Convolutions with standardised weights, and a gate from the mean over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.randn(8, 3, 3, 3))
        self.b = nn.Parameter(torch.randn(12, 8, 3, 3))
        self.gate, self.out = nn.Conv2d(1, 1, 3, padding=1), nn.Linear(12, 2)

    def standard(self, weight: torch.Tensor) -> torch.Tensor:
        mean = weight.mean((1, 2, 3), keepdim=True)
        return (weight - mean) / (weight.std((1, 2, 3), keepdim=True) + 1e-5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.conv2d(F.conv2d(x, self.standard(self.a)).relu(), self.standard(self.b)).relu()
        x = x * self.gate(x.mean(1, keepdim=True)).sigmoid()
        return self.out(x.mean((2, 3)))


def test_statistics_over_units_are_pruned_when_asked_for() -> None:
    model, x = Standardised(), torch.randn(2, 3, 8, 8)
    assert not build_tree(model, x).groups
    tree = build_tree(model, x, survivors=True)
    assert [(g.name, g.width) for g in tree.groups] == [("a", 8), ("b", 12)]
    keep = {"a": [1, 2, 5], "b": [0, 3, 4, 9, 11]}
    assert Oracle(model, [x], survivors=True).fault(tree, keep) == ""
    assert "differs" in Oracle(model, [x]).fault(tree, keep)
    assert cut(model, tree, keep)(x).shape == (2, 2)


def test_only_faded_positions_of_the_given_dimensions_are_left_out() -> None:
    x = torch.ones(2, 4, 3, dtype=torch.float64)
    x[:, 1] = 1e-200
    x[:, 3] = 0.0
    assert living(x, 1).shape == (2, 3, 3)
    assert living(x, [0, 2]).shape == (2, 4, 3)
    assert living(x, None).shape == (2, 3, 3)


@pytest.mark.parametrize("name", ["mean", "var", "std"])
def test_a_statistic_is_that_of_the_positions_that_stay(name: str) -> None:
    x = torch.randn(5, 6, dtype=torch.float64)
    faded = x.clone()
    faded[:, 2:4] *= 1e-200
    with LivingStatistics():
        found = getattr(faded, name)(1)
    assert torch.equal(found, getattr(x[:, [0, 1, 4, 5]], name)(1))
