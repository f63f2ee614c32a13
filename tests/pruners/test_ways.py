"""Models that go another way where widths happen to be equal are not promised to be cut there."""

import torch
from torch import nn

from hierprune.pruners.oracle import Oracle
from hierprune.pruners.trace import build_tree
from hierprune.pruners.ways import equal_sizes


class Shortcut(nn.Module):
    """Projects where shapes differ: never, once both sides have the same number of units."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.inner, self.outer, self.project = nn.Linear(a, 20), nn.Linear(20, b), nn.Linear(a, b)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.outer(self.inner(x).relu())
        return y + (self.project(x) if x.shape != y.shape else x)


def network(wide: int) -> nn.Module:
    return nn.Sequential(Shortcut(6, 24), Shortcut(24, wide), nn.Linear(wide, 2))


def test_the_unlucky_width_is_wrong_and_the_stream_is_given_up() -> None:
    model, x = network(40), torch.randn(2, 6)
    unchecked = build_tree(model, x, verify=False)
    unlucky = {"1.outer": list(range(24))}
    assert "differs" in Oracle(model, [x]).fault(unchecked, unlucky)
    assert Oracle(model, [x]).fault(unchecked, {"1.outer": list(range(25))}) == ""
    tree = build_tree(model, x)
    assert {"0.inner", "1.inner"} == {g.name for g in tree.groups} - {"0.outer", "1.outer"}
    assert len(tree.groups) < len(unchecked.groups)
    assert any("where sizes are equal" in e.reason for e in tree.excluded)


def test_every_group_is_brought_to_each_usual_size() -> None:
    tree = build_tree(network(40), torch.randn(2, 6), verify=False)
    sizes = dict(equal_sizes(tree, tree.groups))
    assert {name: len(units) for name, units in sizes[20].items()} == {"0.outer": 20, "1.outer": 20}
    assert set(sizes[6]) == {g.name for g in tree.groups}
    assert all(tree.groups for _ in sizes)


def test_operations_are_counted_without_numbers() -> None:
    model, x = network(40), torch.randn(2, 6)
    oracle, tree = Oracle(model, [x]), build_tree(model, x, verify=False)
    dense = oracle.steps(tree, {})
    assert dense["addmm"] == 7
    assert oracle.steps(tree, {"1.outer": list(range(24))})["addmm"] == 6
