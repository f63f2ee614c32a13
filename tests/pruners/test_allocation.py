"""Budgets are exact, whatever splits them and however the split is bent."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune as torch_prune

from hierprune.errors import UsageError
from hierprune.pruners.allocation import (
    ALLOCATIONS,
    Ranked,
    Scaled,
    allocation,
    fit,
    lamp_score,
    ranked,
)
from hierprune.pruners.calibration import Calibration
from hierprune.pruners.cost import CostModel
from hierprune.pruners.dense import Dense, allocation_path
from hierprune.pruners.plan import BARE, PruningPlan
from hierprune.pruners.prune import apply_plan, at_density
from hierprune.pruners.trace import build_tree


def chain(*widths: int) -> CostModel:
    """Linear layers of these widths between 7 inputs and 5 outputs, without biases."""
    groups, tensors = len(widths), len(widths) + 1
    sizes = (7, *widths, 5)
    base = np.ones((tensors, 2))
    slope = np.zeros((tensors, 2, groups))
    for t in range(tensors):
        for d, size_index in enumerate((t + 1, t)):
            if 0 < size_index <= groups:
                base[t, d] = 0
                slope[t, d, size_index - 1] = 1
            else:
                base[t, d] = sizes[size_index]
    ones = np.ones(groups, np.int64)
    names = tuple(map(str, range(groups)))
    return CostModel(names, np.array(widths), ones, ones, base, slope, np.ones(tensors))


WIDTHS = st.lists(st.integers(1, 60), min_size=1, max_size=6)
BUDGETS = st.sampled_from(["units", "params", "macs"])


def path_of(name: str, widths: list[int], seed: int) -> Scaled | Ranked:
    generator = np.random.default_rng(seed)
    scores = [generator.random(w) for w in widths]
    shapes = [(w, 3 + i) for i, w in enumerate(widths)]
    return allocation(name)(chain(*widths), scores, shapes)


@settings(max_examples=150, deadline=None)
@given(
    widths=WIDTHS,
    name=st.sampled_from(sorted(ALLOCATIONS)),
    density=st.floats(0.01, 1.0),
    budget=BUDGETS,
    seed=st.integers(0, 99),
    spread=st.sampled_from([0.0, 1.5]),
)
def test_the_budget_is_met_to_one_unit(widths, name, density, budget, seed, spread):
    cost = chain(*widths)
    offsets = np.random.default_rng(seed).uniform(-spread, spread, len(widths))
    found = fit(path_of(name, widths, seed), cost, density, budget, offsets)
    assert ((found >= 1) & (found <= cost.widths)).all()
    dense = cost.cost(cost.widths, budget)
    target = round(density * dense) if budget == "units" else density * dense + 0.5
    spent = cost.cost(found, budget)
    floor = cost.cost(np.ones_like(found), budget)
    assert spent <= max(target, floor)
    if budget == "units":
        assert spent == max(target, floor)
    elif floor < target:
        one_more = [
            cost.cost(np.minimum(found + step, cost.widths), budget)
            for step in np.eye(len(widths), dtype=np.int64)
        ]
        assert (found == cost.widths).all() or max(one_more) > target


@settings(max_examples=100, deadline=None)
@given(
    widths=WIDTHS,
    name=st.sampled_from(sorted(ALLOCATIONS)),
    density=st.floats(0.01, 1.0),
    seed=st.integers(0, 99),
)
def test_local_offsets_do_not_change_how_many_units_stay(widths, name, density, seed):
    cost, path = chain(*widths), path_of(name, widths, seed)
    offsets = np.random.default_rng(seed).uniform(-3, 3, len(widths))
    plain, bent = (fit(path, cost, density, "units", o) for o in (0 * offsets, offsets))
    assert bent.sum() == plain.sum()
    shifted = fit(path, cost, density, "units", np.full(len(widths), 0.7))
    assert shifted.sum() == plain.sum()


@settings(max_examples=50, deadline=None)
@given(
    widths=WIDTHS,
    seed=st.integers(0, 99),
    budget=BUDGETS,
    name=st.sampled_from(["lamp", "erk", "shared"]),
)
def test_more_density_never_costs_less(widths, seed, budget, name):
    cost, path = chain(*widths), path_of(name, widths, seed)
    none = np.zeros(len(widths))
    spent = [cost.cost(fit(path, cost, d, budget, none), budget) for d in (0.1, 0.4, 0.7, 1.0)]
    assert spent == sorted(spent)
    assert spent[-1] == cost.cost(cost.widths, budget)


@given(widths=WIDTHS, name=st.sampled_from(sorted(ALLOCATIONS)), seed=st.integers(0, 99))
def test_paths_never_fall_and_end_dense(widths, name, seed):
    path = path_of(name, widths, seed)
    rows = np.array([path(p) for p in np.linspace(0, 1, 33)])
    assert (np.diff(rows, axis=0) >= 0).all()
    assert np.allclose(rows[-1], 1.0)
    assert (rows >= 0).all()


@given(scores=st.lists(st.just(0.0) | st.floats(1e-60, 100), min_size=1, max_size=20))
def test_lamp_is_its_definition(scores):
    values = np.array(scores)
    squares = values**2
    order = np.argsort(values, kind="stable")
    for place, u in enumerate(order):
        tail = squares[order[place:]].sum()
        expected = squares[u] / tail if tail > 0 else 0.0
        assert lamp_score(values)[u] == pytest.approx(expected, abs=1e-9)


def test_the_largest_unit_of_lamp_is_one_however_small():
    assert lamp_score(np.array([1e-200, 3e-200])).tolist() == pytest.approx([0.1, 1.0])
    assert lamp_score(np.zeros(2)).tolist() == [0.0, 0.0]


def test_erk_follows_the_sum_of_dimensions_over_their_product():
    cost = chain(100, 100)
    path = allocation("erk")(cost, [], [(100, 7), (100, 100)])
    first, second = path(0.1)
    assert first / second == pytest.approx(((107) / 700) / ((200) / 10_000))


def test_what_more_tensors_share_stays_longer():
    cost = chain(10, 10)
    stream = replace(
        cost, slope=np.concatenate([cost.slope, np.tile([[[1.0, 0], [0, 0]]], (6, 1, 1))])
    )
    assert stream.tensors.tolist() == [8, 2]
    first, second = allocation("shared")(stream, [], [])(0.5)
    assert first == 0.5
    assert first / (1 - first) == pytest.approx(2 * second / (1 - second))


def test_single_weights_are_shared_by_no_other_tensor():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    cost = CostModel.of(build_tree(model, torch.zeros(1, 3)), "weight")
    assert allocation("shared")(cost, [], [])(0.3).tolist() == [0.3, 0.3]


def test_ranks_keep_the_best_units_of_all_groups():
    path = ranked([np.array([3.0, 1.0]), np.array([2.0, 5.0, 4.0])])
    assert path(2 / 5).tolist() == [0.0, 2 / 3]
    assert path(3 / 5).tolist() == [0.5, 2 / 3]


def test_global_magnitude_is_the_mask_of_torch():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(9, 20), nn.ReLU(), nn.Linear(20, 6))
    x = torch.randn(2, 9)
    dense = Dense(model.eval(), build_tree(model, x), Calibration(()))
    plan = PruningPlan("weight", "l1", "global", 0.0, "units", {}, BARE)
    pruned, _ = apply_plan(dense, at_density(dense, plan, 0.3))
    layers = [(m, "weight") for m in model if isinstance(m, nn.Linear)]
    total = sum(m.weight.numel() for m, _ in layers)
    torch_prune.global_unstructured(
        layers, torch_prune.L1Unstructured, amount=total - round(0.3 * total)
    )
    for (theirs, _), ours in zip(layers, (pruned[0], pruned[2]), strict=True):
        assert torch.equal(theirs.weight, ours.weight)


def test_structures_are_compared_relative_to_their_group():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(9, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2)
    )
    with torch.no_grad():
        model[2].weight.mul_(100)
    x = torch.randn(2, 9)
    dense = Dense(model.eval(), build_tree(model, x), Calibration(()))
    cost = CostModel.of(dense.tree, "channel")
    path = allocation_path(dense.tree, "channel", cost, "global", dense.scores("l1", "channel"))
    first, second = path(0.5)
    assert 0.2 < first < 0.8
    assert 0.2 < second < 0.8


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 40),
    floor=st.integers(0, 8),
    step=st.integers(1, 8),
    density=st.floats(0.01, 1),
    offset=st.floats(-2, 2),
)
def test_widths_keep_to_floors_and_steps(width, floor, step, density, offset):
    floor = min(floor, width)
    plain = chain(width, 9)
    cost = replace(plain, floor=np.array([floor, 1]), step=np.array([step, 1]))
    found = fit(Scaled(np.ones(2)), cost, density, "params", np.array([offset, 0.0]))
    assert found[0] >= floor
    assert found[0] == width or (found[0] - floor) % step == 0
    least = cost.cost(cost.floor, "params")
    assert cost.cost(found, "params") <= max(
        density * cost.cost(cost.widths, "params") + 0.5, least
    )


def test_single_weights_meet_the_budget_to_one_weight():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(30, 40), nn.ReLU(), nn.Linear(40, 8)).eval()
    x = torch.randn(2, 30)
    dense = Dense(model, build_tree(model, x), Calibration(()))
    total = sum(p.numel() for p in model.parameters())
    for name in ALLOCATIONS:
        for density in (0.1, 0.37, 0.8):
            plan = PruningPlan("weight", "l1", name, 0.0, "params", {}, BARE)
            pruned, _ = apply_plan(dense, at_density(dense, plan, density))
            spent = sum(int((p != 0).sum()) for p in pruned.parameters())
            assert abs(spent - density * total) <= 1


@pytest.mark.parametrize("density", [0.0, -0.5, 1.01])
def test_densities_out_of_range_are_refused(density):
    with pytest.raises(UsageError, match=r"density must be in \(0, 1\]"):
        fit(Scaled(np.ones(1)), chain(4), density, "units", np.zeros(1))


def test_unknown_allocations_are_refused():
    with pytest.raises(UsageError, match="did you mean 'uniform'"):
        allocation("unifrom")
