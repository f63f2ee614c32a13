"""Pruning in one call, and plans as plain data."""

import json

import pytest
import torch
from torch import nn

import hierprune
from hierprune.errors import UsageError
from hierprune.pruners.calibration import Calibration
from hierprune.pruners.plan import PruningPlan, Recovery
from hierprune.pruners.recalibrate import recalibrate
from hierprune.pruners.trace import build_tree
from hierprune.pruners.tree import ModelTree, kept_positions


@pytest.mark.parametrize("allocation", ["uniform", "global", "erk", "lamp"])
@pytest.mark.parametrize("granularity", ["channel", "weight"])
def test_a_density_is_kept_exactly_and_the_model_is_left_as_it_was(case, granularity, allocation):
    _, model, x = case
    before = {k: v.clone() for k, v in model.state_dict().items()}
    result = hierprune.prune(model, x, 0.5, granularity=granularity, allocation=allocation)
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in before.items())
    units = result.tree.units(granularity)
    if granularity == "channel":
        kept = sum(len(result.plan.keep.get(g.name, range(g.width))) for g in units)
    else:
        sparse = dict(result.model.named_parameters())
        kept = sum(int((sparse[g.cuts[0].tensor] != 0).sum()) for g in units)
    assert kept == round(0.5 * sum(g.width for g in units))
    assert result.model(x).shape == model(x).shape
    assert not result.model.training


def test_densities_by_group(case):
    _, model, x = case
    group = build_tree(model, x).groups[0]
    result = hierprune.prune(model, x, {group.name: 0.5})
    assert {g: len(k) for g, k in result.plan.keep.items()} == {group.name: round(group.width / 2)}


def test_calibration_reconstructs(case):
    _, model, x = case
    torch.manual_seed(0)
    data = torch.randn(128, *x.shape[1:])
    recalibrate(model, Calibration(((data, None),)))
    plain = hierprune.prune(model, x, 0.7).model
    solved = hierprune.prune(model, x, 0.7, calibration=[data[:64], (data[64:], None)]).model
    with torch.no_grad():
        target = model.eval()(data)
        assert (solved(data) - target).square().mean() < (plain(data) - target).square().mean()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"criterion": "l3"}, "no criterion 'l3'"),
        ({"allocation": "unifrom"}, "did you mean 'uniform'"),
        ({"granularity": "chanel"}, "granularity"),
        ({"budget": "flops"}, "no budget"),
        ({"density": 0.0}, "density"),
        ({"density": 1.5}, "density"),
        ({"density": {"nowhere": 0.5}}, "no group 'nowhere'"),
        ({"criterion": "taylor"}, "loss"),
        ({"criterion": "activation"}, "data"),
    ],
)
def test_what_cannot_work_is_refused(case, options, message):
    _, model, x = case
    with pytest.raises(UsageError, match=message):
        hierprune.prune(model, x, **options)


def test_a_model_without_anything_to_prune_says_why():
    with pytest.raises(UsageError, match="output"):
        hierprune.prune(nn.Linear(4, 2), torch.randn(2, 4))


def test_plans_are_plain_data():
    plan = PruningPlan(
        "channel",
        "l1",
        "erk",
        0.25,
        "macs",
        {"a": 0.5},
        Recovery(epochs=2.0, distil=0.5),
        3,
        "ab",
        {"a": (0, 2)},
    )
    again = PruningPlan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    assert hash(again) == hash(plan)
    assert again.digest() == plan.digest()
    assert plan.digest() != PruningPlan.from_json(plan.to_json() | {"seed": 4}).digest()


@pytest.mark.parametrize(
    "damage",
    [
        {"format": 9},
        {"ratio": 1.0},
        {"density": {"a": 0.0}},
        {"density": 5},
        {"recovery": {"magic": 1}},
        {"keep": 3},
    ],
)
def test_what_is_no_plan_is_refused(damage):
    plan = PruningPlan("channel", "l1", "erk", 0.25, "macs", {"a": 0.5}).to_json()
    with pytest.raises(UsageError):
        PruningPlan.from_json(plan | damage)
    with pytest.raises(UsageError):
        PruningPlan.from_json({})


def test_trees_are_plain_data(case):
    _, model, x = case
    tree = build_tree(model, x)
    assert ModelTree.from_json(json.loads(json.dumps(tree.to_json()))) == tree


def test_kept_positions_cover_every_dimension_that_loses_something(case):
    _, model, x = case
    tree = build_tree(model, x)
    sizes = {n: tuple(t.shape) for n, t in model.state_dict().items()}
    group = tree.groups[0]
    kept = kept_positions(tree.groups, sizes, {group.name: range(1, group.width)})
    assert set(kept) == {(c.tensor, c.dim) for c in group.cuts}
    for cut in group.cuts:
        expected = set(range(sizes[cut.tensor][cut.dim])) - set(cut.indices[0])
        assert set(kept[cut.tensor, cut.dim]) == expected
    assert kept_positions(tree.groups, sizes, {group.name: range(group.width)}) == {}
