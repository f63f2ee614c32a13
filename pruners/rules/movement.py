"""Rules for operations that move or pick elements: the same movement is done to the labels.

Picking along a dimension that carries units needs care, because the pruned model picks by
position: equal parts (``chunk``, ``split``, ``x[:, :c // 2]``) must lose the same positions in
every part, and what lies before a boundary that is no multiple of the part is fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..labels import Layers, pad_rank, unflatten, varying, widen
from .registry import UnknownCaseError, rule
from .state import Call, TraceState

MAX_PARTS = 4
"""A slice of up to 1/4 of a dimension at a multiple of its length is read as one of equal parts."""


def each(state: TraceState, call: Call, move: Callable[[Tensor], Tensor]) -> list[Layers]:
    """One result, every layer of the first tensor moved alike."""
    return [tuple(move(layer) for layer in state.layers(call.x))]


@rule("permute")
def permute(state: TraceState, call: Call) -> list[Layers]:
    """Dimensions in another order."""
    return each(state, call, lambda layer: layer.permute(call["dims"]))


@rule("transpose transpose_")
def transpose(state: TraceState, call: Call) -> list[Layers]:
    """Two dimensions swapped."""
    return each(state, call, lambda layer: layer.transpose(call["dim0"], call["dim1"]))


@rule("t t_")
def t(state: TraceState, call: Call) -> list[Layers]:
    """A matrix transposed."""
    return each(state, call, lambda layer: layer.t())


@rule("unsqueeze unsqueeze_")
def unsqueeze(state: TraceState, call: Call) -> list[Layers]:
    """A dimension of 1 put in."""
    return each(state, call, lambda layer: layer.unsqueeze(call["dim"]))


@rule("squeeze squeeze_")
def squeeze(state: TraceState, call: Call) -> list[Layers]:
    """Dimensions of 1 taken out."""
    dims = call.arguments.get("dim", range(call.x.dim()))
    dims = [dims] if isinstance(dims, int) else dims
    gone = {d % call.x.dim() for d in dims if call.x.dim() and call.x.shape[d] == 1}
    stay = [d for d in range(call.x.dim()) if d not in gone]
    return each(state, call, lambda layer: layer.reshape([layer.shape[d] for d in stay]))


@rule("expand")
def expand(state: TraceState, call: Call) -> list[Layers]:
    """Dimensions of 1 repeated without copying."""
    result = each(state, call, lambda layer: pad_rank(layer, call.out.dim()))
    state.visit(call.out, result[0])
    return result


@rule("repeat")
def repeat(state: TraceState, call: Call) -> list[Layers]:
    """The tensor tiled."""
    times, rank = call["repeats"], call.out.dim()

    def tile(layer: Tensor) -> Tensor:
        layer = pad_rank(layer, rank)
        return layer.repeat([n if layer.shape[d] > 1 else 1 for d, n in enumerate(times)])

    result = each(state, call, tile)
    state.visit(call.out, result[0])
    return result


@rule("flip")
def flip(state: TraceState, call: Call) -> list[Layers]:
    """Positions in reverse: the pruned model reverses what is left, which is the same."""
    return each(state, call, lambda layer: layer.flip(call["dims"]))


@rule("roll")
def roll(state: TraceState, call: Call) -> list[Layers]:
    """Positions shifted around; free along dimensions without units only."""
    dims = {d % call.x.dim() for d in call["dims"]} or set(range(call.x.dim()))
    require_still(state, call, dims)
    return [state.layers(call.x)]


@rule("select")
def select(state: TraceState, call: Call) -> list[Layers]:
    """One position of a dimension."""
    dim, index = call["dim"] % call.x.dim(), call["index"]
    layers = [pickable(state, layer, dim) for layer in state.layers(call.x)]
    return [tuple(layer.select(dim, index if layer.shape[dim] > 1 else 0) for layer in layers)]


@rule("unbind")
def unbind(state: TraceState, call: Call) -> list[Layers]:
    """Every position of a dimension on its own."""
    dim = call["dim"] % call.x.dim()
    layers = tuple(pickable(state, layer, dim) for layer in state.layers(call.x))
    return [
        tuple(layer.select(dim, i if layer.shape[dim] > 1 else 0) for layer in layers)
        for i in range(len(call.outputs))
    ]


def pickable(state: TraceState, layer: Tensor, dim: int) -> Tensor:
    """The layer after single positions of ``dim`` may be picked by number.

    Where units vary along other dimensions as well (query, key, value of every head), the positions
    of ``dim`` are tied; where ``dim`` alone tells them apart, they are fixed.
    """
    if layer.shape[dim] > 1:
        if varying(layer) == [dim]:
            state.units.freeze(layer, "picked by number")
        else:
            state.units.tie_along(layer, [dim])
    return layer


@rule("slice")
def slice_(state: TraceState, call: Call) -> list[Layers]:
    """A range of positions."""
    dim, size = call["dim"] % call.x.dim(), call.x.shape[call["dim"]]
    start, stop, step = slice(call["start"], call["end"], call["step"]).indices(size)

    def cut(layer: Tensor) -> Tensor:
        if layer.shape[dim] == 1:
            return layer
        if step != 1:
            state.units.freeze(layer, "sliced with a step")
        elif (start, stop) != (0, size):
            bound_slice(state, layer, dim, start, stop)
        return layer[(slice(None),) * dim + (slice(start, stop, step),)]

    return each(state, call, cut)


@rule("narrow")
def narrow(state: TraceState, call: Call) -> list[Layers]:
    """A range of positions by start and length."""
    dim, start = call["dim"] % call.x.dim(), int(call["start"])

    def cut(layer: Tensor) -> Tensor:
        if layer.shape[dim] == 1:
            return layer
        bound_slice(state, layer, dim, start, start + call["length"])
        return layer.narrow(dim, start, call["length"])

    return each(state, call, cut)


def bound_slice(state: TraceState, layer: Tensor, dim: int, start: int, stop: int) -> None:
    """Tie or fix the units of ``layer`` so that the range still means the same."""
    size, length = layer.shape[dim], stop - start
    if length > 0 and not size % length and not start % length and size // length <= MAX_PARTS:
        tie_parts(state, layer, dim, size // length)
    elif stop < size:
        state.units.freeze(layer.narrow(dim, 0, stop), "sliced by literal positions")
    else:
        state.units.freeze(layer.narrow(dim, 0, start), "sliced by literal positions")


def tie_parts(state: TraceState, layer: Tensor, dim: int, parts: int) -> None:
    """Units at the same position of every one of equal parts become one unit."""
    folded = unflatten(layer, dim, (parts, -1))
    state.units.tie(folded, folded.narrow(dim, 0, 1))


@rule("split unsafe_split")
def split(state: TraceState, call: Call) -> list[Layers]:
    """Parts of one size."""
    dim = call["dim"] % call.x.dim()
    return pieces(state, call, dim, [out.shape[dim] for out in call.outputs])


@rule("split_with_sizes unsafe_split_with_sizes")
def split_with_sizes(state: TraceState, call: Call) -> list[Layers]:
    """Parts of given sizes."""
    return pieces(state, call, call["dim"] % call.x.dim(), call["split_sizes"])


def pieces(state: TraceState, call: Call, dim: int, sizes: Sequence[int]) -> list[Layers]:
    """Consecutive ranges; of equal size they must lose the same positions.

    Ranges of several sizes follow attributes or literals: each range is free on its own, and the
    check of the pruned model decides.
    """
    layers = state.layers(call.x)
    for layer in layers:
        if layer.shape[dim] > 1 and len(set(sizes)) == 1:
            tie_parts(state, layer, dim, len(sizes))
    results = []
    start = 0
    for out, size in zip(call.outputs, sizes, strict=True):
        part = tuple(
            layer.narrow(dim, start, size) if layer.shape[dim] > 1 else layer for layer in layers
        )
        state.visit(out, part)
        results.append(part)
        start += size
    return results


@rule("constant_pad_nd")
def constant_pad_nd(state: TraceState, call: Call) -> list[Layers]:
    """A margin of equal values: fixed positions where the padded dimension carries units."""
    rank, pad = call.x.dim(), call["pad"]
    margins = {rank - 1 - k: (pad[2 * k], pad[2 * k + 1]) for k in range(len(pad) // 2)}

    def extend(layer: Tensor) -> Tensor:
        for d, (before, after) in margins.items():
            if layer.shape[d] == 1 or not (before or after):
                continue
            if before < 0 or after < 0:
                raise UnknownCaseError("negative padding over units")
            sides = [
                layer.new_zeros([n if e == d else m for e, m in enumerate(layer.shape)])
                for n in (before, after)
            ]
            layer = torch.cat([sides[0], layer, sides[1]], d)
        return layer

    return each(state, call, extend)


@rule(
    "reflection_pad1d reflection_pad2d reflection_pad3d "
    "replication_pad1d replication_pad2d replication_pad3d"
)
def mirror_pad(state: TraceState, call: Call) -> list[Layers]:
    """A margin copied from the edge, over the last dimensions."""
    rank = call.x.dim()
    require_still(state, call, range(rank - len(call["padding"]) // 2, rank))
    return [state.layers(call.x)]


def require_still(state: TraceState, call: Call, dims: Sequence[int] | set[int] | range) -> None:
    """Fix what varies along dimensions whose positions are mixed."""
    for layer in state.layers(call.x):
        if any(layer.shape[d] > 1 for d in dims):
            state.units.freeze(layer, f"{call.name} over units")


@rule("index_select")
def index_select(state: TraceState, call: Call) -> list[Layers]:
    """Positions of one dimension by a list of numbers."""
    dim = call["dim"] % call.x.dim()
    layers = [pickable(state, layer, dim) for layer in state.layers(call.x)]
    index = call["index"]
    state.freeze(state.layers(index), "used as an index")
    return [
        tuple(layer.index_select(dim, index) if layer.shape[dim] > 1 else layer for layer in layers)
    ]


@rule("index _unsafe_index")
def index_(state: TraceState, call: Call) -> list[Layers]:
    """Advanced indexing: the same look-up on the labels."""
    where = numbers(call["indices"])
    for index in call.inputs[1:]:
        state.freeze(state.layers(index), "used as an index")
    for layer in state.layers(call.x):
        for d in picked(where):
            pickable(state, layer, d)
    return [look_up(call.x, state.layers(call.x), where)]


Places = tuple[Tensor | slice, ...]
"""What stands in the brackets of an advanced look-up, dimension by dimension."""


def numbers(indices: Sequence[Tensor | None]) -> Places:
    """Indices with masks turned into the numbers of what they pick."""
    places: list[Tensor | slice] = []
    for index in indices:
        if index is not None and index.dtype is torch.bool:
            places.extend(index.nonzero().unbind(1))
        else:
            places.append(slice(None) if index is None else index)
    return tuple(places)


def picked(places: Places) -> list[int]:
    """The dimensions whose positions are picked by number."""
    return [d for d, place in enumerate(places) if isinstance(place, Tensor)]


def look_up(tensor: Tensor, layers: Layers, places: Places) -> Layers:
    """The layers of ``tensor[places]``."""
    return tuple(widen(layer, tensor.shape, picked(places))[places] for layer in layers)


@rule("index_put index_put_ _index_put_impl_")
def index_put(state: TraceState, call: Call) -> list[Layers]:
    """Rows without units picked by number are overwritten: ``x[index] = values``."""
    where = numbers(call["indices"])
    require_still(state, call, picked(where))
    for index in call.inputs[1:-1]:
        state.freeze(state.layers(index), "used as an index")
    spot, values = call.x[where], call["values"]
    own = state.units.settle(look_up(call.x, state.layers(call.x), where))
    merged = state.merge([(spot, own), (values, state.layers(values))], spot.dim())
    known = {d for layer in own for d in varying(layer)}
    state.freeze([m for m in merged if not known.issuperset(varying(m))], "written by number")
    return [state.layers(call.x)]


@rule("index_add index_add_ index_copy index_copy_")
def index_add(state: TraceState, call: Call) -> list[Layers]:
    """Rows without units are added to, or overwritten, at the numbers of an index."""
    require_still(state, call, [call["dim"] % call.x.dim()])
    state.freeze(state.layers(call["index"]), "used as an index")
    source = call["source"]
    operands = [(call.x, state.layers(call.x)), (source, state.layers(source))]
    merged = state.merge(operands, call.x.dim())
    known = {d for layer in state.layers(call.x) for d in varying(layer)}
    state.freeze([m for m in merged if not known.issuperset(varying(m))], "written by number")
    return [state.layers(call.x)]


@rule("view_as_real")
def view_as_real(state: TraceState, call: Call) -> list[Layers]:
    """Real and imaginary part along a new last dimension."""
    return each(state, call, lambda layer: layer.unsqueeze(-1))


@rule("view_as_complex")
def view_as_complex(state: TraceState, call: Call) -> list[Layers]:
    """The last dimension, of two, taken as real and imaginary part."""
    require_still(state, call, [call.x.dim() - 1])
    return each(state, call, lambda layer: layer.select(-1, 0))


@rule("gather")
def gather(state: TraceState, call: Call) -> list[Layers]:
    """One look-up per element along a dimension; units may lie along the others."""
    dim = call["dim"] % max(call.x.dim(), 1)
    require_still(state, call, [dim])
    layers = state.layers(call.x)
    others = [d for d in range(call.x.dim()) if d != dim]
    if any(call.x.shape[d] != call.out.shape[d] for d in others):
        raise UnknownCaseError("gather of a part")
    index = call["index"]
    return [state.merge([(None, layers), (index, state.layers(index))], call.out.dim())]


@rule("glu")
def glu(state: TraceState, call: Call) -> list[Layers]:
    """One half of a dimension gates the other: both lose the same positions."""
    dim = call["dim"] % call.x.dim()
    layers = state.layers(call.x)
    for layer in layers:
        if layer.shape[dim] > 1:
            tie_parts(state, layer, dim, 2)
    half = call.out.shape[dim]
    return [tuple(la.narrow(dim, 0, half) if la.shape[dim] > 1 else la for la in layers)]
