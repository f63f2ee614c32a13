"""Least squares: exact where it can be, optimal elsewhere, and zeros stay zero."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hierprune.pruners.calibration import Calibration, input_statistics
from hierprune.pruners.reconstruct import (
    reconstruct_cut,
    reconstruct_masked,
    ridge_of,
    solve,
    solve_rows,
)
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


CONVOLUTIONS = [
    (nn.Conv1d(3, 8, 3), nn.Conv1d(8, 4, 3, stride=2, padding=1, dilation=2), (24, 3, 15)),
    (nn.Conv2d(2, 8, 3), nn.Conv2d(8, 4, (3, 2), stride=(1, 2), dilation=(2, 1)), (24, 2, 9, 9)),
    (nn.Conv2d(2, 8, 3), nn.Conv2d(8, 4, 3, padding=2, bias=False), (24, 2, 7, 7)),
    (nn.Conv2d(2, 8, 3), nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1), (24, 2, 6, 6)),
    (nn.Conv3d(1, 8, 2), nn.Conv3d(8, 3, 2, stride=2), (24, 1, 5, 5, 5)),
    (nn.Linear(5, 8), nn.Linear(8, 4), (64, 5)),
    (nn.Linear(5, 8), nn.Linear(8, 4, bias=False), (64, 3, 5)),
]


def drawn(layers):
    """The pair with the same weights at every run, and the shape of its inputs."""
    torch.manual_seed(0)
    first, second, shape = copy.deepcopy(layers)
    first.reset_parameters()
    second.reset_parameters()
    return first, second, shape


def cut_and_solve(first, second, x, keep):
    """The pair without channels, as cut and as solved, and the dense pair."""
    dense = nn.Sequential(first, nn.ReLU(), second).eval()
    tree = build_tree(dense, x[:2])
    sizes = {n: tuple(t.shape) for n, t in dense.state_dict().items()}
    plain, solved = cut(dense, tree, {"0": keep}), cut(dense, tree, {"0": keep})
    statistics = input_statistics(dense, Calibration(((x[:16], None), (x[16:], None))))
    reconstruct_cut(solved, dense, statistics, kept_positions(tree.groups, sizes, {"0": keep}))
    return dense, plain, solved


@torch.no_grad()
@pytest.mark.parametrize("layers", CONVOLUTIONS, ids=lambda v: str(v[1])[:50])
@pytest.mark.parametrize("keep", [[0], [1, 3, 4, 7], [0, 1, 2, 3, 4, 5, 6]], ids=len)
def test_solved_layers_are_never_worse_than_cut_ones(layers, keep):
    first, second, shape = drawn(layers)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    dense, plain, solved = cut_and_solve(first, second, x, keep)
    before = (plain(x) - dense(x)).square().mean()
    assert (solved(x) - dense(x)).square().mean() <= before
    if second.bias is not None:
        bias_alone = plain(x) + (dense(x) - plain(x)).mean()
        assert (solved(x) - dense(x)).square().mean() < (bias_alone - dense(x)).square().mean()


@torch.no_grad()
@pytest.mark.parametrize("layers", CONVOLUTIONS, ids=lambda v: str(v[1])[:50])
def test_a_spare_input_of_any_layer_is_made_up_for(layers):
    first, second, shape = drawn(layers)
    first.weight[5], first.bias[5] = first.weight[2], first.bias[2]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    dense, plain, solved = cut_and_solve(first, second, x, [u for u in range(8) if u != 5])
    before = (plain(x) - dense(x)).abs().max()
    assert (solved(x) - dense(x)).abs().max() < 0.1 * before


@torch.no_grad()
def test_every_group_of_a_convolution_is_solved_for_itself():
    torch.manual_seed(0)
    dense = nn.Conv2d(8, 6, 3, groups=2).eval()
    x = torch.randn(40, 8, 6, 6)
    x[:, 3], x[:, 7] = x[:, 0], x[:, 4]
    slim = nn.Conv2d(6, 6, 3, groups=2).eval()
    slim.weight.copy_(dense.weight[:, :3])
    slim.bias.copy_(dense.bias)
    statistics = input_statistics(dense, Calibration(((x, None),)))
    reconstruct_cut(slim, dense, statistics, {("weight", 1): [0, 1, 2]})
    assert torch.allclose(slim(x[:, [0, 1, 2, 4, 5, 6]]), dense(x), atol=0.02)


@torch.no_grad()
@pytest.mark.parametrize("bias", [True, False])
def test_inputs_that_were_never_active_leave_the_weights_as_they_were(bias):
    torch.manual_seed(0)
    dense = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3, bias=bias)).eval()
    dense[0].weight.zero_()
    dense[0].bias.fill_(-1.0)
    x = torch.randn(32, 4)
    _, plain, solved = cut_and_solve(dense[0], dense[2], x, [0, 2])
    assert torch.allclose(solved[2].weight, plain[2].weight, atol=1e-6)
    masked = copy.deepcopy(dense)
    masked[2].weight[:, 1] = 0
    reconstruct_masked(masked, dense, input_statistics(dense, Calibration(((x, None),))))
    assert torch.allclose(masked[2].weight[:, 2:], dense[2].weight[:, 2:], atol=1e-6)
    assert bool((masked[2].weight[:, 1] == 0).all())


def test_outputs_that_were_cut_too_keep_their_own_rows():
    torch.manual_seed(0)
    dense = nn.Sequential(
        nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)
    ).eval()
    x = torch.randn(200, 4)
    tree = build_tree(dense, x[:2])
    sizes = {n: tuple(t.shape) for n, t in dense.state_dict().items()}
    statistics = input_statistics(dense, Calibration(((x, None),)))
    weights = []
    for keep in ({"0": [0, 1, 4]}, {"0": [0, 1, 4], "2": [1, 3]}):
        pruned = cut(dense, tree, keep)
        reconstruct_cut(pruned, dense, statistics, kept_positions(tree.groups, sizes, keep))
        weights.append((pruned[2].weight, pruned[2].bias))
    assert torch.allclose(weights[1][0], weights[0][0][[1, 3]], atol=1e-6)
    assert torch.allclose(weights[1][1], weights[0][1][[1, 3]], atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_the_ridge_is_where_and_what_the_gram_matrix_is(device, dtype):
    ridge = ridge_of(torch.ones(4, 4, device=device, dtype=dtype), 0.5)
    assert (ridge.device.type, ridge.dtype) == (device, dtype)


def test_rows_are_solved_on_the_device_of_their_weights():
    wide, gram = torch.empty(3, 4, device="meta"), torch.empty(4, 4, device="meta")
    assert solve_rows(wide, gram, wide != 0).device.type == "meta"


@torch.no_grad()
def test_statistics_of_another_precision_than_the_weights_serve():
    torch.manual_seed(0)
    first, second, x = nn.Linear(5, 8), nn.Linear(8, 4), torch.randn(64, 5)
    dense = nn.Sequential(first, nn.ReLU(), second).eval()
    statistics = input_statistics(dense, Calibration(((x, None),)))
    masked = copy.deepcopy(dense)
    masked[2].weight[:, ::2] = 0
    for model in (dense, masked):
        model.double()
    before = (masked(x.double()) - dense(x.double())).square().mean()
    reconstruct_masked(masked, dense, statistics)
    assert (masked(x.double()) - dense(x.double())).square().mean() < before
