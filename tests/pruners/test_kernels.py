"""Composite operations as simple ones, in double precision."""

import torch
from torch import nn

from hierprune.pruners.kernels import double_by_default, grouped_product
from hierprune.pruners.trace import build_tree


def test_rows_are_multiplied_by_the_matrix_of_their_expert() -> None:
    x, experts = torch.randn(5, 4).double(), torch.randn(3, 4, 2).double()
    y = grouped_product(x, experts, torch.tensor([2, 2, 5], dtype=torch.int32))
    assert torch.equal(y[:2], x[:2] @ experts[0])
    assert torch.equal(y[2:], x[2:] @ experts[2])


def test_the_default_type_is_put_back() -> None:
    with double_by_default():
        assert torch.zeros(1).dtype is torch.float64
    assert torch.zeros(1).dtype is torch.float32


class Stateful(nn.Module):
    """Starts from zeros without a type, which are single precision beside a double model."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.GRUCell(3, 8), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.zeros(len(x), self.cell.hidden_size)
        for step in x.unbind(1):
            h = self.cell(step, h)
        return self.out(h)


def test_a_model_that_makes_tensors_of_the_default_type_is_checked() -> None:
    tree = build_tree(Stateful(), torch.randn(2, 4, 3))
    assert [(g.name, g.width) for g in tree.groups] == [("cell", 8)]
