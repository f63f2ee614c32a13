import pytest
import torch
from torch import nn

from hierprune.pruners.oracle import Oracle, difference, draw, randomized_inputs, relative_gap
from hierprune.pruners.trace import build_tree
from hierprune.pruners.tree import Cut, Group


def test_difference_is_relative_to_the_largest_output():
    reference = (torch.tensor([1000.0, 1.0], dtype=torch.float64),)
    assert difference((reference[0] + 1e-7,), reference) == ""
    assert "1.0e-05" in difference((reference[0] + 1e-2,), reference)


@pytest.mark.parametrize(
    ("small", "message"),
    [
        ((), "0 outputs instead of 1"),
        ((torch.zeros(2),), r"\(2,\) instead of \(3,\)"),
        ((torch.full((3,), float("nan")),), "nan"),
    ],
)
def test_difference_names_what_is_wrong(small, message):
    assert torch.tensor(0) is not None
    with pytest.raises(AssertionError, match=message):
        assert not difference(small, (torch.ones(3),))


def test_draw_keeps_the_share_and_at_least_one():
    group = Group("g", "g", "neuron", (Cut("w", 0, tuple((i,) for i in range(8))),))
    generator = torch.Generator().manual_seed(0)
    assert len(draw(group, 0.5, generator)) == 4
    assert len(draw(group, 0.01, generator)) == 1
    assert draw(group, 1.0, generator) == list(range(8))


def test_inputs_keep_their_shapes_and_integers():
    given = {"x": torch.zeros(2, 3), "ids": torch.arange(4), "pair": [torch.ones(1), 5]}
    redrawn = randomized_inputs(given, torch.Generator().manual_seed(0))
    assert redrawn["x"].shape == (2, 3)
    assert redrawn["x"].unique().numel() == 6
    assert torch.equal(redrawn["ids"], torch.arange(4))
    assert redrawn["pair"][1] == 5


def test_layers_that_only_run_in_training_are_checked():
    class Auxiliary(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.aux = nn.Linear(4, 6), nn.Linear(6, 2), nn.Linear(6, 3)

        def forward(self, x):
            x = self.a(x)
            return (self.b(x), self.aux(x)) if self.training else self.b(x)

    model, inputs = Auxiliary(), torch.randn(2, 4)
    tree = build_tree(model, inputs)
    assert [c.tensor for c in tree.groups[0].cuts][-2:] == ["b.weight", "aux.weight"]
    oracle = Oracle(model, [inputs])
    assert oracle.trains
    kept = Group("a", "a", "neuron", tree.groups[0].cuts[:-1])
    blind = type(tree)((kept,), (), ())
    assert oracle.fault(blind, {"a": [0, 1]}) == ""
    assert "RuntimeError" in oracle.fault_in_training(blind, {"a": [0, 1]})


def test_model_and_mode_are_left_as_they_were(residual):
    model, inputs = residual
    model.train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    Oracle(model, [inputs])
    assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_masks_class_numbers_and_equal_infinities_are_compared() -> None:
    far = float("inf")
    assert relative_gap(torch.tensor([True, False]), torch.tensor([True, False])) == 0.0
    assert relative_gap(torch.tensor([1, 2]), torch.tensor([1, 3])) == far
    assert relative_gap(torch.tensor([1.0, -far]), torch.tensor([1.0, -far])) == 0.0
    assert relative_gap(torch.tensor([1.0, far]), torch.tensor([1.0, -far])) == far
    assert relative_gap(torch.tensor([2.0, 1.0]), torch.tensor([4.0, 1.0])) == 0.5
    assert relative_gap(torch.empty(0), torch.empty(0)) == 0.0


class WithoutRegisters(nn.Module):
    """A list of extra tokens that happens to be empty (DINOv3 with no register tokens)."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Parameter(torch.zeros(1, 0, 8))
        self.a, self.b = nn.Linear(3, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.b(torch.cat([self.tokens.expand(len(x), -1, -1), self.a(x)], 1)).mean(1)


def test_parameters_without_elements_are_no_obstacle():
    tree = build_tree(WithoutRegisters(), torch.randn(2, 5, 3))
    assert [(g.name, g.width) for g in tree.groups] == [("a", 8)]
