"""Closed-form recovery: re-solve each layer so that its output survives the loss of its inputs.

With u the dense inputs of a layer (a constant 1 appended for the bias), G = E[u u^T] their Gram
matrix, W the dense weight and S the inputs that survived, the new weight W' minimises
E|W u - W' u_S|^2 + lambda |W' - W_S|^2, so

    W' (G_SS + lambda I) = W G_:S + lambda W_S.

G is measured once on the dense model; a trial pays one small Cholesky solve per layer. It serves
every parameter that is used as a matrix: linear layers, convolutions, projections of attention,
input and recurrent weights. Relatives: He et al. 2017, arXiv:1707.06168, eq. (5); Luo et al. 2017
(ThiNet), arXiv:1707.06342, eq. (7).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from .calibration import InputStatistics, Statistics
from .uses import LinearUse, matrix, set_matrix

RIDGE = 1e-3
"""lambda over the mean diagonal of G."""
STEPS = 10
"""Of conjugate gradients: on LeNet-5 at 2 to 50 % of the weights, loss as after 40 or lower."""
TINY = 1e-30


@torch.no_grad()
def reconstruct_cut(
    pruned: nn.Module,
    dense: nn.Module,
    statistics: Statistics,
    kept: Mapping[tuple[str, int], Sequence[int]],
) -> None:
    """Re-solve, in place, every weight of ``pruned`` that lost inputs.

    Args:
        pruned: the cut model.
        dense: the model it was cut from.
        statistics: of the dense model's inputs; weights without a Gram matrix are left alone.
        kept: what stayed of every tensor dimension that lost something.
    """
    wide, slim = dict(dense.named_parameters()), dict(pruned.named_parameters())
    for name, stats in statistics.items():
        inputs = kept.get((name, stats.use.in_dim))
        if inputs is None or stats.gram is None:
            continue
        outputs = kept.get((name, stats.use.out_dim), range(wide[name].shape[stats.use.out_dim]))
        solved = solve_groups(stats, wide, inputs)  # (groups, outputs, s)
        rows = solved.flatten(0, 1)[torch.tensor(list(outputs))]
        bias = slim[stats.use.bias] if stats.use.bias else None
        set_matrix(stats.use, slim[name], bias, rows.unflatten(0, (solved.shape[0], -1)))


def solve_groups(
    stats: InputStatistics, wide: Mapping[str, Tensor], inputs: Sequence[int]
) -> Tensor:
    """W' for every group of a convolution (one otherwise), shape (groups, outputs, s)."""
    use = stats.use
    assert stats.gram is not None
    weight = wide[use.weight]
    flat = matrix(use, weight, wide[use.bias] if use.bias else None)
    survivors = feature_positions(use, weight, inputs)
    grams = stats.gram.to(flat)
    return torch.stack([solve(w, g, survivors) for w, g in zip(flat, grams, strict=True)])


@torch.no_grad()
def reconstruct_masked(pruned: nn.Module, dense: nn.Module, statistics: Statistics) -> None:
    """Re-solve, in place, the weights of ``pruned`` that are not zero, row by row.

    Every output row has its own survivors S: the weights that are not zero in ``pruned``.
    """
    wide, slim = dict(dense.named_parameters()), dict(pruned.named_parameters())
    for name, stats in statistics.items():
        if stats.gram is None or bool((slim[name] != 0).all()):
            continue
        use = stats.use
        biases = (slim[use.bias], wide[use.bias]) if use.bias else (None, None)
        sparse, full = matrix(use, slim[name], biases[0]), matrix(use, wide[name], biases[1])
        alive = sparse != 0
        if use.bias is not None:
            alive[..., -1] = True
        grams = stats.gram.to(full)
        solved = [solve_rows(*part) for part in zip(full, grams, alive, strict=True)]
        set_matrix(use, slim[name], biases[0], torch.stack(solved))


def solve(wide: Tensor, gram: Tensor, survivors: Tensor) -> Tensor:
    """W' of the module docstring: wide (o, n), gram (n, n), survivors (s,) -> (o, s)."""
    hessian = regularised(gram)
    right = (wide @ hessian[:, survivors]).T
    return cholesky_solve(hessian[survivors][:, survivors], right).T


def regularised(gram: Tensor) -> Tensor:
    """H = G + lambda I, shape (n, n); positive definite also where no input was ever active."""
    return gram + ridge_of(gram, RIDGE)


def ridge_of(gram: Tensor, share: float) -> Tensor:
    """The ridge lambda I, shape (n, n), lambda a share of the mean diagonal of G."""
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    return share * gram.diagonal().mean().clamp(min=TINY) * identity


def solve_rows(wide: Tensor, gram: Tensor, alive: Tensor) -> Tensor:
    """W' with other survivors in every row: wide, alive (o, n), gram (n, n) -> (o, n), zeros kept.

    All rows go together through a few steps of conjugate gradients from the masked W, scaled by
    the diagonal (Shewchuk 1994, section B3). A Cholesky solve per row takes up to ten times as
    long, and its exactness is no gain: stopping early shrinks what calibration data cannot tell.
    """
    hessian = regularised(gram)
    return conjugate_gradients(wide * alive, hessian, wide @ hessian, alive)


def conjugate_gradients(x: Tensor, hessian: Tensor, right: Tensor, alive: Tensor) -> Tensor:
    """A few steps from ``x`` towards x H = right, in every row on its own survivors alone.

    Args:
        x: where to start, zero where nothing is alive, shape (o, n).
        hessian: H, positive definite, shape (n, n).
        right: shape (o, n).
        alive: survivors, shape (o, n).
    """
    scale = 1 / hessian.diagonal()
    residual = (right - x @ hessian) * alive
    direction = residual * scale
    power = (residual * direction).sum(dim=1, keepdim=True)
    for _ in range(STEPS):
        image = (direction @ hessian) * alive
        step = power / (direction * image).sum(dim=1, keepdim=True).clamp(min=TINY)
        x, residual = x + step * direction, residual - step * image
        scaled = residual * scale
        last, power = power, (residual * scaled).sum(dim=1, keepdim=True)
        direction = scaled + power / last.clamp(min=TINY) * direction
    return x


def cholesky_solve(system: Tensor, right: Tensor) -> Tensor:
    """Solve a positive definite system; in double precision where single is not enough."""
    factor, info = torch.linalg.cholesky_ex(system)
    if bool((info != 0).any()):
        factor = torch.linalg.cholesky(system.double())
    return torch.cholesky_solve(right.to(factor.dtype), factor).to(right.dtype)


def feature_positions(use: LinearUse, weight: Tensor, inputs: Sequence[int]) -> Tensor:
    """Columns of the dense :func:`matrix` that belong to these inputs, and the bias."""
    kernel = weight.shape[2:].numel() if use.convolution else 1
    columns = (torch.tensor(inputs)[:, None] * kernel + torch.arange(kernel)).flatten()
    if use.bias is None:
        return columns
    return torch.cat([columns, torch.tensor([weight.shape[use.in_dim] * kernel])])
