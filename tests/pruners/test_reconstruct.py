"""Least squares: exact where it can be, optimal elsewhere, and zeros stay zero."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hierprune.pruners.calibration import Calibration, input_statistics, take
from hierprune.pruners.reconstruct import reconstruct_cut, reconstruct_masked, solve, solve_rows
from hierprune.pruners.surgery import cut
from hierprune.pruners.trace import build_tree
from hierprune.pruners.tree import kept_positions


def moments(seed, rows=200, n=12):
    generator = torch.Generator().manual_seed(seed)
    u = torch.randn(rows, n, generator=generator) @ torch.randn(n, n, generator=generator)
    return u, u.T @ u / rows, torch.randn(5, n, generator=generator)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), size=st.integers(1, 12))
def test_no_other_weights_on_the_survivors_do_better(seed, size):
    u, gram, wide = moments(seed)
    survivors = torch.randperm(12, generator=torch.Generator().manual_seed(seed))[:size]
    solved = solve(wide, gram, survivors)
    target = u @ wide.T

    def error(weights):
        return float((target - u[:, survivors] @ weights.T).square().mean())

    best = torch.linalg.lstsq(u[:, survivors], target).solution.T
    ridge = 1e-3 * float(gram.diagonal().mean())
    slack = ridge * float((best - wide[:, survivors]).square().sum()) / 5
    assert error(solved) <= error(wide[:, survivors]) + 1e-6
    assert error(solved) <= error(best) + slack + 1e-4


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), share=st.floats(0.05, 1.0))
def test_rows_with_survivors_of_their_own_improve_and_keep_their_zeros(seed, share):
    u, gram, wide = moments(seed)
    alive = torch.rand(wide.shape, generator=torch.Generator().manual_seed(seed)) < share
    solved = solve_rows(wide, gram, alive)
    assert bool((solved[~alive] == 0).all())
    before = (u @ (wide - wide * alive).T).square().mean(0)
    after = (u @ (wide - solved).T).square().mean(0)
    ridge = 1e-3 * gram.diagonal().mean() * (wide - solved).square().sum(1)
    assert bool((after <= before + ridge + 1e-4 * before + 1e-6).all())


def test_well_conditioned_rows_reach_the_exact_solution():
    generator = torch.Generator().manual_seed(0)
    u = torch.randn(500, 8, generator=generator)
    gram, wide = u.T @ u / 500, torch.randn(3, 8, generator=generator)
    alive = torch.rand(3, 8, generator=generator) < 0.6
    solved = solve_rows(wide, gram, alive)
    for row in range(3):
        survivors = alive[row].nonzero().flatten()
        exact = solve(wide[row : row + 1], gram, survivors)[0]
        assert torch.allclose(solved[row, survivors], exact, atol=1e-4)


def test_with_everything_kept_nothing_changes(case):
    _, model, x = case
    data = Calibration(((torch.randn(16, *x.shape[1:]), None),))
    statistics = input_statistics(model.eval(), data)
    same = copy.deepcopy(model)
    reconstruct_cut(same, model, statistics, {})
    reconstruct_masked(same, model, statistics)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, same.state_dict()[name])


def test_a_copy_of_a_channel_is_made_up_for_exactly():
    torch.manual_seed(0)
    dense = nn.Sequential(
        nn.Conv2d(2, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3, stride=2, padding=1)
    ).eval()
    with torch.no_grad():
        dense[0].weight[6] = dense[0].weight[1]
        dense[0].bias[6] = dense[0].bias[1]
    x = torch.randn(32, 2, 9, 9)
    tree = build_tree(dense, x[:1])
    keep = {"0": [u for u in range(8) if u != 6]}
    pruned = cut(dense, tree, keep)
    sizes = {n: tuple(t.shape) for n, t in dense.state_dict().items()}
    kept = kept_positions(tree.groups, sizes, keep)
    with torch.no_grad():
        before = (pruned(x) - dense(x)).abs().max()
        reconstruct_cut(pruned, dense, input_statistics(dense, Calibration(((x, None),))), kept)
        assert (pruned(x) - dense(x)).abs().max() < 0.02 * before


def test_masks_hold_and_outputs_come_closer(case):
    _, model, x = case
    torch.manual_seed(1)
    data = torch.randn(64, *x.shape[1:])
    statistics = input_statistics(model.eval(), Calibration(((data, None),)))
    masked = copy.deepcopy(model)
    with torch.no_grad():
        for p in masked.parameters():
            if p.dim() > 1:
                p.masked_fill_(torch.rand_like(p) < 0.5, 0.0)
        zeros = {n: p == 0 for n, p in masked.named_parameters() if p.dim() > 1}
        before = (masked(data) - model(data)).square().mean()
        reconstruct_masked(masked, model, statistics)
        after = (masked(data) - model(data)).square().mean()
    for name, parameter in masked.named_parameters():
        if name in zeros:
            assert bool((parameter[zeros[name]] == 0).all())
    assert after < before


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.mid = nn.Embedding(20, 8), nn.Linear(8, 8)
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids):
        return self.head(torch.relu(self.mid(self.embed(ids))))


def test_an_embedding_that_is_also_the_output_layer_is_left_alone():
    model = Tied().eval()
    ids = torch.randint(20, (32, 5))
    statistics = input_statistics(model, Calibration(((ids, None),)))
    assert statistics["embed.weight"].gram is None
    assert statistics["mid.weight"].gram is not None


def test_statistics_are_moments_of_the_inputs():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    x = torch.randn(40, 3)
    found = input_statistics(model, Calibration(((x[:25], None), (x[25:], None))))
    u = torch.cat([torch.relu(model[0](x)), torch.ones(40, 1)], 1).detach()
    assert torch.allclose(found["2.weight"].gram[0], u.T @ u / 40, atol=1e-5)
    assert torch.allclose(found["2.weight"].mean_abs, u[:, :-1].mean(0), atol=1e-5)


@pytest.mark.parametrize("samples", [1, 5, 8, 11, 16, 99])
def test_calibration_takes_so_many_samples(samples):
    batches = [(torch.arange(8.0)[:, None], torch.arange(8)) for _ in range(2)]
    taken = list(take(batches, samples))
    assert sum(len(x) for x, _ in taken) == min(samples, 16)
    assert all(len(x) == len(y) for x, y in taken)
