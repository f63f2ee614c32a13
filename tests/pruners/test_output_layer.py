"""The output layer: fitted to what it is given, by a ridge that rows left out agree with."""

import copy
import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import hierprune
from hierprune.pruners.calibration import Calibration, input_statistics
from hierprune.pruners.dense import Dense
from hierprune.pruners.output_layer import (
    RIDGES,
    best_ridge,
    left_out_error,
    output_layer,
    refit,
)
from hierprune.pruners.plan import BARE, PruningPlan, Recovery
from hierprune.pruners.prune import apply_plan, at_density
from hierprune.pruners.reconstruct import ridge_of
from hierprune.pruners.trace import build_tree

BEFORE = Recovery(refit=False)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Linear(6, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 3)]
    return nn.Sequential(*layers).eval()


def dense_of(model: nn.Module, x: Tensor) -> Dense:
    data = Calibration(((x, None),))
    return Dense(model, build_tree(model, x[:2]), data, input_statistics(model, data))


def layer_of(model: nn.Module, x: Tensor):
    data = Calibration(((x, None),))
    return output_layer(model, data, input_statistics(model, data))


def plan_at(dense: Dense, density: float, granularity="channel", **recovery) -> PruningPlan:
    wanted = Recovery(**recovery)
    plan = PruningPlan(granularity, "l1", "uniform", 0.0, "units", {}, wanted)
    return at_density(dense, plan, density)


@torch.no_grad()
def error(a: nn.Module, b: nn.Module, x: Tensor) -> float:
    return float((a(x) - b(x)).square().mean())


def gain(dense: Dense, x: Tensor) -> float:
    """Error of half a model that is only cut over that of one whose output layer is fitted."""
    plan = plan_at(dense, 0.5, reconstruct=False)
    cut, _ = apply_plan(dense, replace(plan, recovery=BARE))
    fitted, _ = apply_plan(dense, plan)
    return error(cut, dense.model, x) / error(fitted, dense.model, x)


def rows_of(seed: int, rows: int, n: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    v = torch.randn(rows, n, generator=generator, dtype=torch.double)
    return v, torch.randn(rows, 2, generator=generator, dtype=torch.double)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.integers(3, 20), st.integers(1, 12), st.sampled_from(RIDGES))
def test_the_error_of_rows_left_out_is_that_of_fits_without_them(seed, rows, n, share):
    v, missing = rows_of(seed, rows, n)
    ridge = ridge_of(v.T @ v / rows, share).double()
    found = []
    for out in range(rows):
        rest = [i for i in range(rows) if i != out]
        solved = torch.linalg.solve(v[rest].T @ v[rest] + rows * ridge, v[rest].T @ missing[rest])
        found.append((missing[out] - v[out] @ solved).square())
    expected = float(torch.stack(found).mean())
    assert left_out_error(v, missing, v.T @ v / rows + ridge) == pytest.approx(expected, rel=1e-6)


def test_what_is_noise_to_the_inputs_is_hardly_fitted_and_what_is_not_is():
    v, noise = rows_of(0, 60, 40)
    square = v.T @ v / 60
    signal = v @ torch.randn(40, 2, dtype=torch.double)
    strong, weak = (
        float(best_ridge(v, missing, square)[0, 0]) / float(square.diagonal().mean())
        for missing in (noise, signal)
    )
    assert strong == pytest.approx(max(RIDGES))
    assert weak == pytest.approx(min(RIDGES))


@pytest.mark.parametrize("granularity", ["channel", "weight", "2:4"])
def test_outputs_come_closer_on_samples_that_it_was_not_fitted_to(granularity):
    model, x, fresh = net(), torch.randn(400, 6), torch.randn(400, 6)
    dense = dense_of(model, x)
    plan = plan_at(dense, 0.3 if granularity != "2:4" else 0.5, granularity)
    before, _ = apply_plan(dense, replace(plan, recovery=BEFORE))
    after, _ = apply_plan(dense, plan)
    assert error(after, model, fresh) < 0.95 * error(before, model, fresh)
    for (name, old), new in zip(before.named_parameters(), after.parameters(), strict=True):
        assert name.startswith("4.") or torch.equal(old, new)
        assert bool((new[old == 0] == 0).all())


def test_it_follows_the_layer_by_layer_form_too():
    model, x, fresh = net(), torch.randn(60, 6), torch.randn(400, 6)
    dense = dense_of(model, x)
    plan = plan_at(dense, 0.5, sequential=True)
    alone, _ = apply_plan(dense, replace(plan, recovery=replace(plan.recovery, refit=False)))
    both, _ = apply_plan(dense, plan)
    assert torch.equal(alone[2].weight, both[2].weight)
    assert error(both, model, fresh) < error(alone, model, fresh)


def test_where_nothing_goes_the_model_stays_the_same_to_the_last_bit():
    model, x = net(), torch.randn(50, 6)
    dense = dense_of(model, x)
    same, _ = apply_plan(dense, plan_at(dense, 1.0))
    assert error(same, model, x) == 0


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x).relu()


def test_blocks_that_are_left_out_are_made_up_for():
    torch.manual_seed(0)
    model = nn.Sequential(Residual(), Residual(), nn.Linear(8, 2)).eval()
    x, fresh = torch.randn(200, 8), torch.randn(200, 8)
    dense = dense_of(model, x)
    plan = PruningPlan("block", "l1", "global", 0.1, "units", {"1": 0})
    before, _ = apply_plan(dense, replace(plan, recovery=BEFORE))
    after, _ = apply_plan(dense, plan)
    assert error(after, model, fresh) < 0.5 * error(before, model, fresh)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru, self.out = nn.GRU(4, 24, batch_first=True), nn.Linear(24, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.gru(x)[0])


class Bare(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.weight = nn.Linear(5, 30), nn.Parameter(torch.randn(30, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x).relu() @ self.weight


def convolutions() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 24, 3), nn.ReLU(), nn.Conv2d(24, 2, 3))


def encoder() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 32, batch_first=True)


@pytest.mark.parametrize(
    ("make", "shape", "name"),
    [
        (Recurrent, (64, 6, 4), "out.weight"),
        (Bare, (200, 5), "weight"),
        (encoder, (64, 5, 8), "linear2.weight"),  # within a fused kernel
        (convolutions, (40, 1, 7, 7), "2.weight"),
    ],
)
def test_it_is_found_wherever_it_is(make, shape, name):
    torch.manual_seed(0)
    model, x, fresh = make().eval(), torch.randn(shape), torch.randn(shape)
    dense = dense_of(model, x)
    assert dense.output is not None
    assert dense.output.use.weight == name
    assert gain(dense, fresh) > 2


def test_large_images_add_few_rows_of_every_sample(monkeypatch):
    monkeypatch.setattr("hierprune.pruners.output_layer.ROWS", 200)
    torch.manual_seed(0)
    model, x = convolutions().eval(), torch.randn(40, 1, 9, 9)
    dense = dense_of(model, x)
    assert dense.output is not None
    assert dense.output.dense_inputs.shape == (200, 24 * 9 + 1)
    assert gain(dense, x) > 2


def test_many_rows_are_thinned_alike_in_both_models(monkeypatch):
    monkeypatch.setattr("hierprune.pruners.output_layer.ROWS", 100)
    torch.manual_seed(0)
    model, x = Recurrent().eval(), torch.randn(64, 6, 4)
    layer = layer_of(model, x)
    assert 80 <= len(layer.dense_inputs) <= 100
    same = copy.deepcopy(model)
    refit(same, layer, hold_zeros=False)
    assert error(same, model, x) < 1e-10


def test_a_vocabulary_is_fitted_whole_by_a_ridge_that_some_words_choose(monkeypatch):
    monkeypatch.setattr("hierprune.pruners.output_layer.OUTPUTS", 5)
    torch.manual_seed(0)
    layers = [nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 60)]
    model, x, fresh = nn.Sequential(*layers).eval(), torch.randn(300, 6), torch.randn(300, 6)
    dense = dense_of(model, x)
    plan = plan_at(dense, 0.5, reconstruct=False)
    before, _ = apply_plan(dense, replace(plan, recovery=BARE))
    after, _ = apply_plan(dense, plan)
    with torch.no_grad():
        errors = [(m(fresh) - model(fresh)).square().mean(0) for m in (after, before)]
    assert bool((errors[0] < errors[1]).all())


def test_models_in_half_precision_are_fitted_in_single():
    model, x = net().bfloat16(), torch.randn(300, 6).bfloat16()
    layer = layer_of(model, x)
    assert layer.dense_inputs.dtype == torch.float32
    worse = copy.deepcopy(model)
    with torch.no_grad():
        worse[4].weight[:, ::2] = 0
    before = error(worse, model, x)
    refit(worse, layer, hold_zeros=False)
    assert worse[4].weight.dtype == torch.bfloat16
    assert error(worse, model, x) < 0.1 * before


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.mix = nn.Embedding(9, 12), nn.Linear(12, 12)

    def forward(self, ids: Tensor) -> Tensor:
        return F.linear(self.mix(self.words(ids)).relu(), self.words.weight)


def test_a_weight_with_other_uses_is_left_alone():
    assert layer_of(Tied().eval(), torch.arange(8).reshape(4, 2)) is None


def test_without_samples_there_is_nothing_to_fit_to():
    assert output_layer(net(), Calibration(()), {}) is None


def test_what_is_not_finite_is_not_fitted_to():
    model, x = net(), torch.randn(50, 6)
    layer = layer_of(model, x)
    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken[0].weight.fill_(float("nan"))
    refit(broken, layer, hold_zeros=False)
    assert torch.equal(broken[4].weight, model[4].weight)


def test_a_model_that_calls_it_less_often_is_left_alone():
    class Twice(nn.Module):
        def __init__(self, times: int) -> None:
            super().__init__()
            self.out, self.times = nn.Linear(4, 4), times

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(self.times):
                x = self.out(x)
            return x

    torch.manual_seed(0)
    model, once, x = Twice(2).eval(), Twice(1).eval(), torch.randn(30, 4)
    before = once.out.weight.clone()
    refit(once, layer_of(model, x), hold_zeros=False)
    assert torch.equal(once.out.weight, before)


class Sometimes(nn.Module):
    """Batches go through the last layer where the first number is positive, less ``level``."""

    def __init__(self, level: float = 0.0) -> None:
        super().__init__()
        self.first, self.out, self.level = nn.Linear(4, 12), nn.Linear(12, 12), level

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x).relu()
        return self.out(y) if bool(x[0, 0] > self.level) else y


def starting_with(*firsts: float) -> Calibration:
    torch.manual_seed(0)
    batches = []
    for first in firsts:
        x = torch.randn(30, 4)
        x[0, 0] = first
        batches.append((x, None))
    return Calibration(tuple(batches))


def test_batches_that_do_not_reach_it_add_no_rows():
    data = starting_with(1.0, -1.0, 1.0)
    model = Sometimes().eval()
    layer = output_layer(model, data, input_statistics(model, data))
    assert layer is not None
    assert layer.use.weight == "out.weight"
    assert layer.dense_inputs.shape == (60, 13)
    worse = copy.deepcopy(model)
    with torch.no_grad():
        worse.out.weight[:, ::2] = 0
    refit(worse, layer, hold_zeros=False)
    assert torch.allclose(worse.out.weight, model.out.weight, atol=0.05)
    without = Sometimes(level=2.0).eval()
    before = without.out.weight.clone()
    refit(without, layer, hold_zeros=False)
    assert torch.equal(without.out.weight, before)


@pytest.mark.parametrize("make", [lambda: nn.Linear(3, 2), lambda: nn.Conv1d(3, 2, 1)])
def test_without_rows_there_is_nothing_to_fit(make):
    class Selecting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = make()

        def forward(self, x: Tensor) -> Tensor:
            return self.out(x[x.flatten(1)[:, 0] > 0])

    shape = (20, 3) if isinstance(make(), nn.Linear) else (20, 3, 5)
    model, x = Selecting().eval(), torch.rand(shape) + 0.1
    statistics = input_statistics(model, Calibration(((x, None),)))
    assert output_layer(model, Calibration(((x, None),)), statistics) is not None
    assert output_layer(model, Calibration(((-x, None),)), statistics) is None


def test_as_many_rows_from_other_batches_leave_it_alone():
    data = starting_with(3.0, 1.0)
    model, other = Sometimes(level=2.0).eval(), Sometimes(level=2.0).eval()
    layer = output_layer(model, data, input_statistics(model, data))
    before = other.out.weight.clone()
    swapped = replace(layer, batches=layer.batches[::-1])
    refit(other, swapped, hold_zeros=False)
    assert torch.equal(other.out.weight, before)
    refit(other, layer, hold_zeros=False)
    assert not torch.equal(other.out.weight, before)


def test_pruning_in_one_call_does_it():
    model, x, fresh = net(), torch.randn(400, 6), torch.randn(400, 6)
    pruned = hierprune.prune(model, x[:2], 0.3, calibration=[x])
    assert pruned.plan.recovery.refit
    before, _ = apply_plan(dense_of(model, x), replace(pruned.plan, recovery=BEFORE))
    assert error(pruned.model, model, fresh) < error(before, model, fresh)


def test_plans_from_before_it_was_there_go_without():
    plan = PruningPlan("channel", "l1", "erk", 0.5, "units", {"a": 0.5})
    assert PruningPlan.from_json(plan.to_json()).recovery.refit
    old = json.loads(json.dumps(plan.to_json()))
    del old["recovery"]["refit"]
    assert not PruningPlan.from_json(old).recovery.refit
