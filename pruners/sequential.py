"""Reconstruction layer by layer, on the inputs that the already pruned model gives.

As in :mod:`.reconstruct`, but with u the dense inputs of a layer and v its inputs in the pruned
model, in which all earlier layers are solved: W' minimises E|W u - W' v|^2 + lambda |W' - W_0|^2,

    W' (E[v v^T] + lambda I) = W E[u v^T] + lambda W_0,

where W_0 is the weight it has now. It corrects what earlier layers could not keep, so it is better
far from dense; it costs two passes over the calibration data per layer. Do not re-estimate
BatchNorm statistics afterwards: the outputs are fitted to the dense ones.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

import torch
from torch import Tensor, nn

from ..task import Inputs
from .calibration import MAX_FEATURES, Calibration, take
from .reconstruct import RIDGE, TINY, cholesky_solve
from .uses import LinearUse, features, find_uses, matrix, set_matrix, visit_uses

SAMPLES = 512
ROWS = 4096
"""Rows per batch that a layer's moments are taken over; convolutions are thinned to it."""


@torch.no_grad()
def reconstruct_sequentially(
    pruned: nn.Module,
    dense: nn.Module,
    calibration: Calibration,
    kept: Mapping[tuple[str, int], Sequence[int]],
    left_alone: Container[str] = (),
) -> None:
    """Re-solve, in place, every weight of ``pruned`` that is used as a matrix, in forward order.

    Zeros of a masked model are not kept: use it on cut models.

    Args:
        pruned: the cut model.
        dense: the model it was cut from.
        calibration: at most its first 512 samples are used.
        kept: what stayed of every tensor dimension that lost something.
        left_alone: weights that something else solves.
    """
    batches = [inputs for inputs, _ in take(calibration.batches, SAMPLES)]
    if not batches or not kept:
        return
    uses = find_uses(pruned, batches[0])
    touched = False
    for name, use in uses.items():
        touched = touched or any(tensor == name for tensor, _ in kept)
        solvable = is_solvable(use, dict(pruned.named_parameters())[name])
        if touched and solvable and name not in left_alone:
            solve_use(use, (pruned, dense), batches, kept)


def is_solvable(use: LinearUse, weight: Tensor) -> bool:
    """Whether the use is a plain linear map of affordable size."""
    kernel = weight.shape[2:].numel() if use.convolution else 1
    return use.groups == 1 and weight.shape[use.in_dim] * kernel <= MAX_FEATURES


def solve_use(
    use: LinearUse,
    models: tuple[nn.Module, nn.Module],
    batches: Sequence[Inputs],
    kept: Mapping[tuple[str, int], Sequence[int]],
) -> None:
    """Solve one weight of the first of ``models`` (pruned, dense).

    It stays as it is where no batch gives both models as many rows for it.
    """
    slim, wide = (dict(m.named_parameters()) for m in models)
    found = [cross_moments(use, models, (slim, wide), inputs) for inputs in batches]
    moments = [m for m in found if m is not None]
    if not moments:
        return
    square = torch.stack([m[0] for m in moments]).mean(0)  # E[v v^T]
    cross = torch.stack([m[1] for m in moments]).mean(0)  # E[u v^T]
    bias = slim[use.bias] if use.bias else None
    now = matrix(use, slim[use.weight], bias)[0]
    target = matrix(use, wide[use.weight], wide[use.bias] if use.bias else None)[0]
    outputs = kept.get((use.weight, use.out_dim))
    if outputs is not None:
        target = target[torch.tensor(outputs)]
    ridge = RIDGE * square.diagonal().mean().clamp(min=TINY)
    right = cross.T @ target.T + ridge * now.T
    square.diagonal().add_(ridge)
    set_matrix(use, slim[use.weight], bias, cholesky_solve(square, right).T[None])


def cross_moments(
    use: LinearUse,
    models: tuple[nn.Module, nn.Module],
    weights: tuple[Mapping[str, Tensor], Mapping[str, Tensor]],
    inputs: Inputs,
) -> tuple[Tensor, Tensor] | None:
    """E[v v^T], E[u v^T] over one batch: v the pruned inputs (rows, s), u the dense (rows, n).

    ``None`` where one of them has none, or another number of rows: samples were routed elsewhere.
    """
    v, u = (
        inputs_of(use, model, named[use.weight], inputs)
        for model, named in zip(models, weights, strict=True)
    )
    return (v.T @ v / len(v), u.T @ v / len(v)) if len(v) == len(u) > 0 else None


def inputs_of(use: LinearUse, model: nn.Module, weight: Tensor, inputs: Inputs) -> Tensor:
    """Features that enter one weight in one forward, thinned, shape (rows, n)."""
    found: list[Tensor] = []

    def visit(seen: LinearUse, x: Tensor) -> None:
        if seen.weight == use.weight and x.numel():
            found.append(features(use, weight, x)[0])

    visit_uses(model, inputs, visit)
    rows = torch.cat(found) if found else weight.new_empty(0, 1)
    return rows[:: max(1, -(-len(rows) // ROWS))]
