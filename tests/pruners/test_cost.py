"""Costs are those of the model that is really cut."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hierprune.errors import UsageError
from hierprune.objectives.macs import count_macs
from hierprune.pruners.cost import CostModel, group_costs
from hierprune.pruners.prune import prune
from hierprune.pruners.surgery import cut
from hierprune.pruners.trace import build_tree
from hierprune.pruners.tree import Cut, Group, ModelTree, TensorCost

QUICK = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@QUICK
@given(seed=st.integers(0, 1000))
def test_any_widths_cost_what_the_cut_model_costs(case, seed):
    _, model, x = case
    tree = build_tree(model, x)
    cost = CostModel.of(tree, "channel")
    generator = np.random.default_rng(seed)
    widths = np.array([generator.integers(1, w + 1) for w in cost.widths])
    keep = {n: range(w) for n, w in zip(cost.names, widths, strict=True)}
    smaller = cut(model, tree, keep).eval()
    assert cost.cost(widths, "params") == sum(p.numel() for p in smaller.parameters())
    assert cost.cost(widths, "macs") == pytest.approx(count_macs(smaller, x[:1]))
    assert cost.cost(widths, "units") == widths.sum()


def test_single_weights_cost_one_each(case):
    _, model, x = case
    cost = CostModel.of(build_tree(model, x), "weight")
    total = sum(p.numel() for p in model.parameters())
    assert cost.cost(cost.widths, "params") == total
    fewer = cost.widths.copy()
    fewer[0] -= 7
    assert cost.cost(fewer, "params") == total - 7


def test_a_pattern_costs_its_share_of_the_elements():
    model = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU(), torch.nn.Linear(4, 4))
    x = torch.randn(2, 8)
    cost = CostModel.of(build_tree(model, x), "2:4")
    assert cost.widths.tolist() == [4, 4]
    assert cost.floor.tolist() == [2, 2]
    pruned = prune(model, x, 0.5, granularity="2:4").model
    nonzero = sum(int((p != 0).sum()) for p in pruned.parameters())
    assert cost.cost(cost.floor, "params") == nonzero


@QUICK
@given(seed=st.integers(0, 1000))
def test_densities_and_widths_are_two_ways_to_say_the_same(case, seed):
    _, model, x = case
    cost = CostModel.of(build_tree(model, x, verify=False), "channel")
    generator = np.random.default_rng(seed)
    widths = np.array([generator.integers(1, w + 1) for w in cost.widths])
    assert cost.vector(cost.densities(widths)).tolist() == widths.tolist()
    assert cost.vector({}).tolist() == cost.widths.tolist()


def test_widths_snap_down_to_the_floor_plus_whole_steps():
    empty = np.zeros((0, 1)), np.zeros((0, 1, 1)), np.zeros(0)
    cost = CostModel(("g",), np.array([20]), np.array([8]), np.array([8]), *empty)
    asked = [0.0, 7.0, 8.0, 15.9, 16.0, 19.0, 20.0, 25.0]
    assert [int(cost.snap(np.array([a]))[0]) for a in asked] == [8, 8, 8, 8, 16, 16, 20, 20]
    assert cost.wider(np.array([8])).tolist() == [16]
    assert cost.wider(np.array([16])).tolist() == [20]


def test_group_costs_say_what_a_whole_group_takes_along(case):
    _, model, x = case
    tree = build_tree(model, x)
    cost = CostModel.of(tree, "channel")
    for name, (params, macs) in group_costs(cost, tree.groups).items():
        without = cost.widths.copy()
        without[cost.names.index(name)] = 0
        assert params == cost.cost(cost.widths, "params") - cost.cost(without, "params")
        assert 0 < macs <= cost.cost(cost.widths, "macs")


def test_unknown_budgets_are_refused(case):
    _, model, x = case
    cost = CostModel.of(build_tree(model, x, verify=False), "channel")
    with pytest.raises(UsageError, match="did you mean 'params'"):
        cost.cost(cost.widths, "param")


@given(st.sampled_from([2, 4, 8, 16]), st.integers(0, 2**32 - 1))
def test_aligned_widths_are_multiples_or_dense(multiple: int, seed: int):
    convolution = Group("conv", "", "channel", (Cut("w", 0, tuple((i,) for i in range(24))),))
    heads = Group("h", "", "head", (Cut("q", 0, tuple((2 * i, 2 * i + 1) for i in range(9))),))
    tensors = (TensorCost("w", (24, 3), 72), TensorCost("q", (18, 3), 54))
    cost = CostModel.of(ModelTree((convolution, heads), (), tensors), "channel")
    found = cost.aligned(multiple)
    assert found.aligned(1).step.tolist() == found.step.tolist()
    shares = np.random.default_rng(seed).random(2)
    channels, units = found.snap(shares * cost.widths)
    own = min(multiple, 8)  # of 16 the convolution would have one multiple below 24
    assert channels in (24, *range(own, 24, own))
    assert units == 9 or (2 * units) % min(multiple, 8) == 0
    assert (found.wider(found.floor) <= cost.widths).all()
