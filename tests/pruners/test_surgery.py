import copy

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from hierprune.errors import UsageError
from hierprune.pruners.surgery import cut, mask
from hierprune.pruners.trace import build_tree


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_cut_computes_what_mask_computes(case, data):
    _, model, inputs = case
    model = copy.deepcopy(model).double()
    tree = build_tree(model, inputs.double())
    keep = {}
    for group in tree.groups:
        units = st.sets(st.integers(0, group.width - 1), min_size=1)
        keep[group.name] = sorted(data.draw(units))
    small, masked = cut(model, tree, keep), mask(model, tree, keep)
    with torch.no_grad():
        assert torch.allclose(small(inputs.double()), masked(inputs.double()), rtol=1e-9)
    for group in tree.groups:
        first = group.cuts[0]
        gone = first.positions(set(range(group.width)) - set(keep[group.name]))
        assert len(small.get_parameter(first.tensor)) == len(
            model.get_parameter(first.tensor)
        ) - len(gone)


def test_copy_is_independent_and_the_dense_model_unchanged(residual):
    model, inputs = residual
    tree = build_tree(model, inputs)
    before = model(inputs)
    small = cut(model, tree, {"conv1": [0, 3]})
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.zero_()
    assert torch.equal(model(inputs), before)


def test_sizes_stored_in_modules_follow(residual):
    model, inputs = residual
    small = cut(model, build_tree(model, inputs), {"stem": [0, 1, 5], "conv1": [2, 7]})
    assert (small.stem.out_channels, small.bn.num_features, small.head.in_features) == (3, 3, 3)
    assert (small.conv1.in_channels, small.conv1.out_channels, small.conv2.in_channels) == (3, 2, 2)
    assert small(inputs).shape == (2, 5)


def test_frozen_parameters_ties_buffers_and_mode_stay():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 4)
            self.c = nn.Linear(4, 6)
            self.c.weight = self.a.weight
            self.a.bias.requires_grad_(False)
            self.register_buffer("scale", torch.arange(6.0))

        def forward(self, x):
            return self.b(self.c(self.b(self.a(x) * self.scale)))

    model = Tied().train()
    tree = build_tree(model, torch.randn(2, 4))
    small = cut(model, tree, {tree.groups[0].name: [1, 2]})
    assert small.c.weight is small.a.weight
    assert small.a.weight.shape == (2, 4)
    assert not small.a.bias.requires_grad
    assert small.a.weight.requires_grad
    assert small.scale.tolist() == [1, 2]
    assert small.training


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ({"conv": [0]}, "did you mean 'conv[12]'"),
        ({"conv1": []}, "at least one"),
        ({"conv1": [6]}, "0..5"),
        ({"conv1": [-1]}, "0..5"),
        ({"conv1": [0, 0]}, "each named once"),
    ],
)
def test_bad_keep_is_a_usage_error(lenet5, keep, message):
    model, inputs = lenet5
    tree = build_tree(model, inputs, verify=False)
    for surgery in (cut, mask):
        with pytest.raises(UsageError, match=message):
            surgery(model, tree, keep)


def test_tree_of_another_model_is_a_usage_error(lenet5, residual):
    tree = build_tree(*lenet5, verify=False)
    with pytest.raises(UsageError, match="does not have"):
        cut(residual[0], tree, {"fc1": [0]})
