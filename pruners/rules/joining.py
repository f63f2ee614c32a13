"""Rules for concatenation: the labels are concatenated too."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..labels import Layers, varying
from .registry import rule
from .state import Call, TraceState, is_constant


@rule("cat")
def cat(state: TraceState, call: Call) -> list[Layers]:
    """Pieces side by side along ``dim``; along the other dimensions their units are tied."""
    pieces = [t for t in call["tensors"] if not (t.dim() == 1 and t.numel() == 0)]
    layers = [state.layers(t) for t in pieces]
    return [join(state, pieces, layers, call["dim"] % call.out.dim())]


@rule("stack")
def stack(state: TraceState, call: Call) -> list[Layers]:
    """Pieces along a new dimension."""
    dim = call["dim"] % call.out.dim()
    layers = [tuple(la.unsqueeze(dim) for la in state.layers(t)) for t in call["tensors"]]
    return [join(state, [t.unsqueeze(dim) for t in call["tensors"]], layers, dim)]


def join(state: TraceState, pieces: Sequence[Tensor], layers: Sequence[Layers], dim: int) -> Layers:
    """Layers of ``torch.cat(pieces, dim)``."""
    along = [state.unite([la for la in ls if la.shape[dim] > 1]) for ls in layers]
    along = [tuple(la for la in ls if la.shape[dim] > 1) for ls in along]
    across = [[la for la in ls if la.shape[dim] == 1] for ls in layers]
    joined = [lay_out(pieces, along, dim)] if any(along) else []
    return state.unite([*joined, *tie_across(state, pieces, across, dim)])


def lay_out(pieces: Sequence[Tensor], along: Sequence[Layers], dim: int) -> Tensor:
    """One layer whose labels vary along ``dim``; pieces without units are fixed positions."""
    sizes = list(pieces[0].shape)
    wide = {d for ls in along for la in ls for d in varying(la)}
    parts = []
    for piece, ls in zip(pieces, along, strict=True):
        shape = [n if d in wide else 1 for d, n in enumerate(sizes)]
        shape[dim] = piece.shape[dim]
        first = ls[0] if ls else torch.zeros([1] * len(shape), dtype=torch.int64)
        parts.append(first.expand(shape))
    return torch.cat(parts, dim)


def tie_across(
    state: TraceState, pieces: Sequence[Tensor], across: Sequence[Sequence[Tensor]], dim: int
) -> list[Tensor]:
    """Layers along the other dimensions: every piece has them, or they are fixed."""
    found = [la for ls in across for la in ls]
    for piece, ls in zip(pieces, across, strict=True):
        own = {d for la in ls for d in varying(la)}
        for layer in found:
            missing = [d for d in varying(layer) if d not in own and piece.shape[d] > 1]
            if not all(is_constant(piece, d) for d in missing):
                state.units.freeze(layer, "joined with a tensor whose size does not follow")
    return found
