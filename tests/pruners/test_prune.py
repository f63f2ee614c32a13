"""Pruning in one call."""

import pytest
import torch
from torch import nn

import hierprune
from hierprune.errors import UsageError
from hierprune.objectives.macs import count_macs
from hierprune.pruners.calibration import Calibration
from hierprune.pruners.recalibrate import recalibrate
from hierprune.pruners.trace import build_tree


@pytest.mark.parametrize("allocation", ["uniform", "global", "erk", "lamp", "shared"])
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


def test_densities_by_group_say_what_they_keep_overall(lenet5):
    model, x = lenet5
    result = hierprune.prune(model, x, {"fc1": 0.3, "conv2": 0.01}, budget="params")
    assert result.plan.density == {"fc1": 0.3, "conv2": 1 / 16}
    before, after = (sum(p.numel() for p in m.parameters()) for m in (model, result.model))
    assert 1 - result.plan.ratio == pytest.approx(after / before)


@pytest.mark.parametrize("budget", ["params", "macs"])
def test_budgets_are_those_of_the_smaller_model(case, budget):
    _, model, x = case
    result = hierprune.prune(model, x, 0.4, budget=budget)
    count = {
        "params": lambda m: sum(p.numel() for p in m.parameters()),
        "macs": lambda m: count_macs(m, x[:1]),
    }[budget]
    assert count(result.model) / count(model) == pytest.approx(1 - result.plan.ratio)
    assert 0.3 < 1 - result.plan.ratio <= 0.4


def test_patterns_take_densities_that_they_do_not_allow_as_the_next_below():
    model = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 4))
    result = hierprune.prune(model, torch.randn(2, 8), {"0": 0.75}, granularity="2:4")
    assert result.plan.density == {"0": 0.5}
    neighbours = (result.model[0].weight != 0).unflatten(1, (2, 4)).sum(2)
    assert bool((neighbours == 2).all())


def test_modes_gradients_and_frozen_parameters_are_left_alone(residual):
    model, x = residual
    model.train()
    model.bn.eval()
    model.stem.weight.requires_grad_(False)
    model(x).sum().backward()
    gradients = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    modes = [m.training for m in model.modules()]
    data = [(torch.randn(8, 3, 8, 8), torch.randint(5, (8,)))]
    result = hierprune.prune(
        model, x, criterion="taylor", calibration=data, loss=nn.functional.cross_entropy
    )
    assert [m.training for m in model.modules()] == modes
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        if gradient is None:
            assert parameter.grad is None
        else:
            assert torch.equal(parameter.grad, gradient)
    frozen = {n for n, p in result.model.named_parameters() if not p.requires_grad}
    assert frozen == {"stem.weight"}


def test_pruning_twice_gives_the_same_model(case):
    _, model, x = case
    data = torch.randn(32, *x.shape[1:])
    first, second = (
        hierprune.prune(model, x, criterion="random", calibration=[data]) for _ in range(2)
    )
    assert first.plan == second.plan
    for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_pruned_model_can_be_pruned_again(residual):
    model, x = residual
    half = hierprune.prune(model, x, 0.5).model
    quarter = hierprune.prune(half, x, 0.5).model
    assert quarter(x).shape == model(x).shape
    assert quarter.stem.out_channels == 2


class Mixture(nn.Module):
    """Every row goes through one of two experts, by its first number."""

    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 8)) for _ in range(2)
        )
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        second = x[:, 0] > 5
        y = torch.zeros_like(x)
        for rows, expert in zip((~second, second), self.experts, strict=True):
            y = y.index_add(0, rows.nonzero()[:, 0], expert(x[rows]))
        return self.out(y)


@pytest.mark.parametrize("criterion", ["l1", "activation"])
@pytest.mark.parametrize("granularity", ["channel", "weight"])
def test_an_expert_without_samples_is_cut_and_not_reconstructed(granularity, criterion):
    torch.manual_seed(0)
    model, x = Mixture().eval(), torch.randn(64, 8).clamp(max=4)
    both = torch.cat([x[:1], x[:1] + 9])
    result = hierprune.prune(
        model, both, 0.5, granularity=granularity, criterion=criterion, calibration=[x, x]
    )
    dense, idle = (m.experts[1][2].weight for m in (model, result.model))
    if granularity == "channel":
        kept = result.plan.keep["experts.1.0"]
        assert len(kept) == 16
        assert torch.equal(idle, dense[:, kept])
    else:
        assert 0 < int((idle != 0).sum()) < idle.numel()
        assert torch.equal(idle, dense * (idle != 0))


PRECISIONS = [torch.float64, torch.bfloat16, torch.float16]


def small_net(kind):
    torch.manual_seed(0)
    if kind == "linear":
        layers = [nn.Linear(6, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, 12), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(12, 3)).eval(), torch.randn(128, 6)
    layers = [nn.Conv2d(2, 12, 3), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, 8, 3), nn.ReLU()]
    last = [nn.Flatten(), nn.Linear(8 * 4, 3)]
    return nn.Sequential(*layers, *last).eval(), torch.randn(128, 2, 6, 6)


@torch.no_grad()
@pytest.mark.parametrize("dtype", PRECISIONS, ids=str)
@pytest.mark.parametrize("granularity", ["channel", "weight"])
@pytest.mark.parametrize("kind", ["linear", "convolution"])
def test_models_of_any_precision_are_recovered_in_it(kind, granularity, dtype):
    model, x = small_net(kind)
    recalibrate(model, Calibration(((x, None),)))
    model, x = model.to(dtype), x.to(dtype)
    plain = hierprune.prune(model, x[:2], 0.5, granularity=granularity).model
    data = [x[:64], (x[64:], None)]
    solved = hierprune.prune(model, x[:2], 0.5, granularity=granularity, calibration=data).model
    assert {p.dtype for p in solved.parameters()} == {dtype}
    outputs = solved(x)
    assert outputs.dtype == dtype
    assert bool(outputs.isfinite().all())
    before, after = ((m(x) - model(x)).double().square().mean() for m in (plain, solved))
    assert after < before
