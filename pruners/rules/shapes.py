"""Rules for operations that regroup elements into other shapes, element order kept or known.

A view that splits a dimension of units in two lays them out as a *grid* (head x position in the
head, group x channel in the group). The pruned tensor must stay a box, so either whole rows go or
the same positions of every row. Which of both is known at the end of a pass, or from the pass
before (``state.rows``): attention contracts over positions, so there whole heads go.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..labels import Layers, shrink, unflatten, varying, widen
from .movement import require_still, tie_parts
from .registry import UnknownCaseError, rule
from .state import Call, TraceState

Segment = tuple[list[int], list[int]]
"""Dimensions before and after a reshape that hold the same elements."""


@rule("view _unsafe_view reshape _reshape_alias view_copy")
def view(state: TraceState, call: Call) -> list[Layers]:
    """The same elements in the same order under another shape."""
    old, new = call.x.shape, call.out.shape
    parts = segments(old, new)
    result = []
    for layer in state.layers(call.x):
        moved = shrink(reshape(layer, old, new, parts))
        if len(varying(moved)) > len(varying(layer)):
            moved = state.grid(moved)
        result.append(moved)
    state.visit(call.out, result)
    return [tuple(result)]


def segments(old: Sequence[int], new: Sequence[int]) -> list[Segment]:
    """The finest split of a reshape into independent parts.

    >>> segments((2, 3, 4), (6, 2, 2))
    [([0, 1], [0]), ([2], [1, 2])]
    """
    parts: list[Segment] = []
    i = j = 0
    while i < len(old) or j < len(new):
        before, after = old[i : i + 1], new[j : j + 1]
        first, second = i, j
        i, j = i + len(before), j + len(after)
        a, b = before[0] if before else 1, after[0] if after else 1
        while a != b:
            if a < b:
                a, i = a * old[i], i + 1
            else:
                b, j = b * new[j], j + 1
        parts.append((list(range(first, i)), list(range(second, j))))
    return parts


def reshape(
    layer: Tensor, old: Sequence[int], new: Sequence[int], parts: Sequence[Segment]
) -> Tensor:
    """A layer under the new shape; parts in which it does not vary stay 1."""
    wide: list[int] = []
    shape = [1] * len(new)
    for before, after in parts:
        if any(layer.shape[d] > 1 for d in before):
            wide += before
            for d in after:
                shape[d] = new[d]
    return widen(layer, old, wide).reshape(shape)


@rule("as_strided as_strided_")
def as_strided(state: TraceState, call: Call) -> list[Layers]:
    """Any regular walk over the storage; known where the tensor is contiguous."""
    if tuple(call["size"]) == tuple(call.x.shape):
        return [state.layers(call.x)]
    size, stride = call["size"], call["stride"]
    given = call["storage_offset"]
    start = 0 if given is None else given - call.x.storage_offset()
    last = start + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    inside = start >= 0 and last < call.x.numel()
    if call.name == "as_strided_" or not call.x.is_contiguous() or not inside:
        raise UnknownCaseError("as_strided of a view")
    return [
        tuple(
            layer.expand(call.x.shape).contiguous().as_strided(size, stride, start)
            for layer in state.layers(call.x)
        )
    ]


@rule("pixel_shuffle")
def pixel_shuffle(state: TraceState, call: Call) -> list[Layers]:
    """(C r^2, H, W) to (C, H r, W r): r^2 neighbouring channels make one."""
    dim, factor = call.x.dim() - 3, call["upscale_factor"] ** 2
    require_still(state, call, [dim + 1, dim + 2])
    result = []
    for layer in state.layers(call.x):
        if layer.shape[dim] > 1:
            layer = state.units.tie_along(unflatten(layer, dim, (-1, factor)), [dim + 1])
            layer = layer.squeeze(dim + 1)
        result.append(layer)
    return [tuple(result)]


@rule("pixel_unshuffle")
def pixel_unshuffle(state: TraceState, call: Call) -> list[Layers]:
    """(C, H r, W r) to (C r^2, H, W)."""
    dim, factor = call.x.dim() - 3, call["downscale_factor"] ** 2
    require_still(state, call, [dim + 1, dim + 2])
    return [repeat_each(state.layers(call.x), dim, factor)]


def repeat_each(layers: Layers, dim: int, times: int) -> Layers:
    """Every label of ``dim`` repeated in place."""
    return tuple(
        layer.repeat_interleave(times, dim) if layer.shape[dim] > 1 else layer for layer in layers
    )


@rule("im2col")
def im2col(state: TraceState, call: Call) -> list[Layers]:
    """(B, C, H, W) to (B, C k, positions): every channel as the k pixels of its window."""
    require_still(state, call, [call.x.dim() - 2, call.x.dim() - 1])
    layers = tuple(layer.squeeze(-1) for layer in state.layers(call.x))
    kernel = int(torch.tensor(call["kernel_size"]).prod())
    return [repeat_each(layers, call.x.dim() - 3, kernel)]


@rule("channel_shuffle native_channel_shuffle")
def channel_shuffle(state: TraceState, call: Call) -> list[Layers]:
    """(groups, C / groups) transposed: every group must lose the same positions."""
    groups = call["groups"]
    result = []
    for layer in state.layers(call.x):
        if layer.shape[1] > 1:
            tie_parts(state, layer, 1, groups)
            layer = unflatten(layer, 1, (groups, -1)).transpose(1, 2).flatten(1, 2)
        result.append(layer)
    return [tuple(result)]


@rule("unfold")
def unfold(state: TraceState, call: Call) -> list[Layers]:
    """Sliding windows along one dimension, as a new last dimension."""
    require_still(state, call, [call["dimension"] % call.x.dim()])
    return [tuple(layer.unsqueeze(-1) for layer in state.layers(call.x))]


@rule("diagonal")
def diagonal(state: TraceState, call: Call) -> list[Layers]:
    """The diagonal of two dimensions, put last."""
    dims = [call["dim1"] % call.x.dim(), call["dim2"] % call.x.dim()]
    require_still(state, call, dims)
    stay = [d for d in range(call.x.dim()) if d not in dims]
    return [tuple(layer.permute(*stay, *dims).flatten(len(stay)) for layer in state.layers(call.x))]
