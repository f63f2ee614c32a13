"""A model with gates on its units: what they multiply, and that closing one is removing it."""

import pytest
import torch
from torch import nn

from hierprune.pruners.calibration import Calibration
from hierprune.pruners.dense import Dense
from hierprune.pruners.schedules.choosers import Choice, Lasso, Movement
from hierprune.pruners.schedules.learned import Gated
from hierprune.pruners.surgery import cut
from hierprune.pruners.tree_cache import find_tree


class Residual(nn.Module):
    """Coupled channels with a BatchNorm, and a layer behind a flattening."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.body = nn.Conv2d(6, 6, 3, padding=1)
        self.head = nn.Linear(6 * 16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        x = torch.relu(x + self.body(x))
        return self.head(nn.functional.adaptive_max_pool2d(x, 4).flatten(1))


@pytest.fixture(scope="module")
def dense() -> Dense:
    torch.manual_seed(0)
    model, images = Residual().eval(), torch.randn(2, 1, 8, 8)
    return Dense(model, find_tree(model, images), Calibration(()))


@pytest.mark.parametrize("granularity", ["channel", "weight"])
def test_open_gates_change_nothing(dense: Dense, granularity: str) -> None:
    images = torch.randn(3, 1, 8, 8)
    gated = Gated(dense.model, dense.units(granularity), Choice(Lasso)).eval()
    assert torch.allclose(gated(images), dense.model(images), atol=1e-6)
    assert gated.penalty().item() == pytest.approx(Lasso.WEIGHT)  # sizes are 1 on average


def test_a_closed_gate_is_a_removed_unit(dense: Dense) -> None:
    images = torch.randn(3, 1, 8, 8)
    groups = dense.units("channel")
    gated = Gated(dense.model, groups, Choice(Movement)).eval()
    keep = {g.name: [u for u in range(g.width) if u != 2] for g in groups}
    for chooser in gated.choosers:
        chooser.train()
        chooser.mask[2] = 0.0
    smaller = cut(dense.model, dense.tree, keep)
    assert torch.allclose(gated(images), smaller(images), atol=1e-5)


def test_sizes_are_those_of_scales_where_asked(dense: Dense) -> None:
    groups = dense.units("channel")
    gated = Gated(dense.model, groups, Choice(Lasso, scales=True))
    scale = dense.model.norm.weight
    with torch.no_grad():
        scale.copy_(torch.arange(6.0) + 1)
    name = next(g.name for g in groups if any(c.tensor == "norm.weight" for c in g.cuts))
    scores = gated.scores()[name]
    assert torch.allclose(scores, torch.arange(6.0) + 1)
    whole = Gated(dense.model, groups, Choice(Lasso)).scores()[name]
    assert not torch.allclose(whole / whole.sum(), scores / scores.sum(), atol=1e-3)
    with torch.no_grad():
        scale.fill_(1.0)


def test_gates_reach_the_weights_of_a_recurrent_layer() -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.gru, self.head = nn.Linear(3, 6), nn.GRU(6, 5), nn.Linear(5, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.gru(self.embed(x))[0])

    torch.manual_seed(0)
    model, inputs = Reader().eval(), torch.randn(4, 2, 3)
    tree = find_tree(model, inputs)
    gated = Gated(model, tree.groups, Choice(Movement))
    gated(inputs).square().sum().backward()
    assert len(gated.choosers) == 2  # what the layer reads, and its hidden units
    assert all(chooser.worth.grad.abs().min() > 0 for chooser in gated.choosers)
    assert torch.allclose(gated.baked()(inputs), model(inputs), atol=1e-6)
