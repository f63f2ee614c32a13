"""The output layer fitted anew, to what the pruned model really gives it.

Reconstruction solves every layer for the inputs of the dense model, so what earlier layers could
not keep adds up, and the outputs are off most of all. The last linear layer of a model can mend a
part of that for the price of one pass over the calibration samples: with u its dense inputs (a
constant 1 appended for the bias), v its inputs in the pruned model, W its dense weight and W_0 the
weight that it has now, the new one minimises E|W u - W' v|^2 + lambda |W' - W_0|^2,

    W' (E[v v^T] + lambda I) = W E[u v^T] + lambda W_0.

It is the last step of :mod:`.sequential`, with a lambda that suits its few rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from ..task import Inputs, batch_size, head
from .calibration import Calibration, Statistics, take
from .reconstruct import TINY, cholesky_solve, conjugate_gradients, ridge_of
from .uses import LinearUse, features, find_uses, matrix, set_matrix, visit_uses

SAMPLES = 512
"""Of calibration. On MiniLM 1,024 are worth 0.003 of accuracy more, and twice the time."""
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Of which lambda is taken, over the mean diagonal of E[v v^T]."""
OUTPUTS = 256
"""Of so many it is chosen by the errors, where a vocabulary has more."""
ROWS = 16384
"""Rows in all, where outputs are many per sample; further ones are thinned out."""


@dataclass(frozen=True, eq=False)
class OutputLayer:
    """The last linear layer of a dense model.

    Attributes:
        use: how its weight is used.
        batches: inputs of the model that it is fitted on.
        dense_inputs: what its rows are multiplied by in the dense model, shape (rows, n).
        positions: how many inputs it is given there in every batch, before any are thinned out.
        matrix: its dense weight, bias last if there is one, shape (outputs, n).
    """

    use: LinearUse
    batches: tuple[Inputs, ...]
    dense_inputs: Tensor
    positions: tuple[int, ...]
    matrix: Tensor


def output_layer(
    model: nn.Module, calibration: Calibration, statistics: Statistics
) -> OutputLayer | None:
    """The output layer of a dense model.

    Returns:
        ``None`` where it cannot be fitted: without calibration samples or linear layers, and where
        the weight has other uses (as an embedding), groups, no inputs, too many or infinite ones.
    """
    batches = tuple(inputs for inputs, _ in take(calibration.batches, SAMPLES))
    if not batches:
        return None
    uses = list(find_uses(model, head(batches[0], 2)).values())
    if not uses or not is_fittable(uses[-1], statistics):
        return None
    use, named = uses[-1], dict(model.named_parameters())
    inputs, positions = inputs_of(use, model, batches)
    if not len(inputs) or not bool(inputs.isfinite().all()):
        return None
    weights = matrix(use, named[use.weight], named[use.bias] if use.bias else None)[0]
    return OutputLayer(use, batches, inputs, positions, weights.detach())


def is_fittable(use: LinearUse, statistics: Statistics) -> bool:
    """Whether least squares can solve for its weight."""
    known = statistics.get(use.weight)
    return use.groups == 1 and known is not None and known.gram is not None


@torch.no_grad()
def refit(pruned: nn.Module, layer: OutputLayer, *, hold_zeros: bool) -> None:
    """Fit the output layer of ``pruned`` in place.

    It is left alone where the pruned model does not call it as the dense one does, with as many
    rows in every batch, and where what it is given is not finite.

    Args:
        pruned: cut or masked, and reconstructed.
        layer: of the dense model.
        hold_zeros: keep weights that are zero so.
    """
    named = dict(pruned.named_parameters())
    weight, bias = named[layer.use.weight], named[layer.use.bias] if layer.use.bias else None
    now = matrix(layer.use, weight, bias)[0]
    inputs, positions = inputs_of(layer.use, pruned, layer.batches)
    same = positions == layer.positions and len(inputs) == len(layer.dense_inputs)
    if not same or len(now) != len(layer.matrix) or not bool(inputs.isfinite().all()):
        return
    square, cross = (x.T @ inputs / len(inputs) for x in (inputs, layer.dense_inputs))
    some = drawn(len(now), min(OUTPUTS, len(now)))
    missing = layer.dense_inputs @ layer.matrix[some].T - inputs @ now[some].T
    ridge = best_ridge(inputs, missing, square)
    hessian, right = square + ridge, layer.matrix @ cross + now @ ridge
    if hold_zeros:
        alive = now != 0
        if bias is not None:
            alive[:, -1] = True
        solved = conjugate_gradients(now, hessian, right, alive)
    else:
        solved = cholesky_solve(hessian, right.T).T
    set_matrix(layer.use, weight, bias, solved[None])


def best_ridge(inputs: Tensor, missing: Tensor, square: Tensor) -> Tensor:
    """The lambda I of ``RIDGES`` with the least error on rows left out, shape (n, n).

    Args:
        inputs: v, shape (rows, n).
        missing: what the outputs lack, W u - W_0 v, shape (rows, outputs).
        square: E[v v^T], shape (n, n).
    """
    ridges = [ridge_of(square, share) for share in RIDGES]
    return min(ridges, key=lambda ridge: left_out_error(inputs, missing, square + ridge))


def left_out_error(inputs: Tensor, missing: Tensor, hessian: Tensor) -> float:
    """Mean square of what is still missing in rows that the fit has not seen.

    Every row is left out once, in closed form: residuals over 1 - h with the leverages h (Allen
    1974, The relationship between variable selection and data augmentation, eq. 2.6).

    Args:
        inputs: v, shape (rows, n).
        missing: shape (rows, outputs).
        hessian: E[v v^T] + lambda I, shape (n, n).
    """
    rows = len(inputs)
    spread = cholesky_solve(hessian, inputs.T).T / rows  # (rows, n)
    leverage = (spread * inputs).sum(dim=1, keepdim=True)
    residual = missing - inputs @ (spread.T @ missing)
    return float((residual / (1 - leverage).clamp(min=TINY)).square().mean())


def inputs_of(
    use: LinearUse, model: nn.Module, batches: Sequence[Inputs]
) -> tuple[Tensor, tuple[int, ...]]:
    """What the rows of one weight are multiplied by, and at how many positions of every batch.

    Returns:
        The rows, thinned to about ``ROWS``, shape (rows, n), and the positions before that.
    """
    weight = dict(model.named_parameters())[use.weight]
    samples = sum(batch_size(inputs) for inputs in batches)
    found, positions = [], []
    for inputs in batches:
        most = max(1, ROWS * batch_size(inputs) // samples)
        rows, count = rows_of(use, model, weight, inputs, most, plain=False)
        if not count:  # a fused kernel did it, or the batch does not reach it
            rows, count = rows_of(use, model, weight, inputs, most, plain=True)
        found.extend(rows)
        positions.append(count)
    return torch.cat(found) if found else weight.new_empty(0, 1), tuple(positions)


def rows_of(
    use: LinearUse, model: nn.Module, weight: Tensor, inputs: Inputs, most: int, *, plain: bool
) -> tuple[list[Tensor], int]:
    """:func:`inputs_of` of one batch, in at most one piece; none where no such use was seen."""
    found: list[Tensor] = []
    positions = 0

    def visit(seen: LinearUse, x: Tensor) -> None:
        nonlocal positions
        if seen.weight != use.weight or not x.numel():
            return
        positions += x[:, :1].numel()
        if use.convolution is None:
            found.append(features(use, weight, x)[0])
        else:  # image by image: patches take many times the memory of what they are cut from
            each = max(1, most // len(x))
            found.extend(thinned(features(use, weight, image[None])[0], each) for image in x)

    visit_uses(model, inputs, visit, plain=plain)
    return ([thinned(torch.cat(found), most)] if found else []), positions


def thinned(rows: Tensor, most: int) -> Tensor:
    """At most so many rows, always the same of as many: shape (rows, n) to (most, n)."""
    return rows if len(rows) <= most else rows[drawn(len(rows), most)]


@lru_cache(maxsize=16)
def drawn(rows: int, most: int) -> Tensor:
    """Row numbers, ascending, shape (most,); an even stride would see one column of an image."""
    generator = torch.Generator().manual_seed(0)
    return torch.randperm(rows, generator=generator)[:most].sort().values
