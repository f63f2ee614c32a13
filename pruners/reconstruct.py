"""Closed-form recovery: re-solve each layer so that its output survives the loss of its inputs.

With u the dense inputs of a layer (a constant 1 appended for the bias), G = E[u u^T] their Gram
matrix, W the dense weight and S the inputs that survived, the new weight W' minimises
E|W u - W' u_S|^2 + lambda |W' - W_S|^2, so

    W' (G_SS + lambda I) = W G_:S + lambda W_S.

G is measured once on the dense model; a trial pays one small Cholesky solve per layer. Relatives:
He et al. 2017, arXiv:1707.06168, eq. (5); Luo et al. 2017 (ThiNet), arXiv:1707.06342, eq. (7).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from .calibration import Statistics
from .layers import Layer, by_weight, linear_maps

RIDGE = 1e-3
"""lambda over the mean diagonal of G_SS."""
BATCH_ELEMENTS = 1 << 25
"""Elements of one batch of per-row systems: 128 MB."""


@torch.no_grad()
def reconstruct_cut(
    pruned: nn.Module,
    dense: nn.Module,
    statistics: Statistics,
    kept: Mapping[tuple[str, int], Sequence[int]],
) -> None:
    """Re-solve, in place, every layer of ``pruned`` that lost inputs.

    Args:
        pruned: the cut model.
        dense: the model it was cut from.
        statistics: of the dense model's inputs; layers without a Gram matrix are left alone.
        kept: what stayed of every tensor dimension that lost something.
    """
    originals = by_weight(dense)
    for layer in linear_maps(pruned):
        inputs = kept.get((layer.weight_name, layer.in_dim))
        gram = gram_of(statistics, layer)
        if inputs is None or gram is None:
            continue
        wide = flat_weight(originals[layer.weight_name])  # (outputs, n)
        outputs = kept.get((layer.weight_name, layer.out_dim))
        if outputs is not None:
            wide = wide[torch.tensor(outputs)]
        survivors = feature_positions(originals[layer.weight_name], inputs)
        set_flat_weight(layer, solve(wide, gram, survivors))


@torch.no_grad()
def reconstruct_masked(pruned: nn.Module, dense: nn.Module, statistics: Statistics) -> None:
    """Re-solve, in place, the weights of ``pruned`` that are not zero, row by row.

    Every output row has its own survivors S: the weights that are not zero in ``pruned``.
    """
    originals = by_weight(dense)
    for layer in linear_maps(pruned):
        gram = gram_of(statistics, layer)
        if gram is None or bool((layer.weight != 0).all()):
            continue
        alive = flat_weight(layer) != 0
        if layer.module.bias is not None:
            alive[:, -1] = True
        set_flat_weight(layer, solve_rows(flat_weight(originals[layer.weight_name]), gram, alive))


def gram_of(statistics: Statistics, layer: Layer) -> Tensor | None:
    """The Gram matrix of a layer's dense inputs, if there is one."""
    return statistics[layer.name].gram if layer.name in statistics else None


def solve(wide: Tensor, gram: Tensor, survivors: Tensor) -> Tensor:
    """W' of the module docstring: wide (o, n), gram (n, n), survivors (s,) -> (o, s)."""
    system = gram[survivors][:, survivors]
    ridge = RIDGE * system.diagonal().mean()
    right = gram[survivors] @ wide.T + ridge * wide[:, survivors].T
    system.diagonal().add_(ridge)
    return cholesky_solve(system, right).T


def solve_rows(wide: Tensor, gram: Tensor, alive: Tensor) -> Tensor:
    """W' with other survivors in every row: wide, alive (o, n), gram (n, n) -> (o, n), zeros kept.

    Rows are padded to equal numbers of survivors by unknowns whose equation is w = 0.
    """
    result = torch.zeros_like(wide)
    counts = alive.sum(dim=1)
    order = torch.argsort(counts)
    start = 0
    while start < len(order):
        rows = order[start : start + batch_rows(counts[order[start:]])]
        start += len(rows)
        size = int(counts[rows].max())
        picked = torch.argsort(alive[rows].int(), dim=1, descending=True, stable=True)[:, :size]
        real = alive[rows].gather(1, picked)  # (r, s)
        system = gram[picked[:, :, None], picked[:, None, :]]  # (r, s, s)
        ridge = RIDGE * (system.diagonal(dim1=1, dim2=2) * real).sum(1) / counts[rows].clamp(min=1)
        system = system * (real[:, :, None] & real[:, None, :])
        system.diagonal(dim1=1, dim2=2).add_(torch.where(real, ridge[:, None], 1.0))
        right = (wide[rows] @ gram).gather(1, picked)
        right = (right + ridge[:, None] * wide[rows].gather(1, picked)) * real
        solved = cholesky_solve(system, right[:, :, None])[:, :, 0] * real
        result[rows[:, None], picked] = solved
    return result


def batch_rows(counts: Tensor) -> int:
    """How many rows, of ascending survivor counts, fit into one batch of systems; at least one."""
    elements = torch.arange(1, len(counts) + 1) * counts.double() ** 2
    return max(1, int((elements <= BATCH_ELEMENTS).sum()))


def cholesky_solve(system: Tensor, right: Tensor) -> Tensor:
    """Solve a positive definite system; in double precision where single is not enough."""
    factor, info = torch.linalg.cholesky_ex(system)
    if bool((info != 0).any()):
        factor = torch.linalg.cholesky(system.double())
    return torch.cholesky_solve(right.to(factor.dtype), factor).to(right.dtype)


def flat_weight(layer: Layer) -> Tensor:
    """Weight with the bias as last column if there is one, shape (outputs, n)."""
    weight = layer.weight.detach().flatten(1)
    if layer.module.bias is None:
        return weight
    return torch.cat([weight, layer.module.bias.detach()[:, None]], dim=1)


def set_flat_weight(layer: Layer, flat: Tensor) -> None:
    """Write what :func:`flat_weight` read."""
    if layer.module.bias is not None:
        layer.module.bias.copy_(flat[:, -1])
        flat = flat[:, :-1]
    layer.weight.copy_(flat.reshape(layer.weight.shape))


def feature_positions(layer: Layer, inputs: Sequence[int]) -> Tensor:
    """Columns of :func:`flat_weight` of a dense layer that belong to these inputs, and the bias."""
    kernel = layer.weight[0, 0].numel()
    columns = (torch.tensor(inputs)[:, None] * kernel + torch.arange(kernel)).flatten()
    if layer.module.bias is None:
        return columns
    return torch.cat([columns, torch.tensor([layer.weight.shape[1] * kernel])])
