"""Rules for tables: a row is picked by number, its columns are units."""

from __future__ import annotations

from torch import Tensor

from ..labels import Layers, along
from .registry import rule
from .state import Call, TraceState


@rule("_embedding_bag _embedding_bag_forward_only")
def embedding_bag(state: TraceState, call: Call) -> list[Layers]:
    """Rows of a table (V, C) summed, averaged or compared per bag: (bags, C)."""
    for tensor in call.inputs[1:]:
        state.freeze(state.layers(tensor), "used as an index")
    return [columns_of(state, call["weight"], 2)] + [()] * (len(call.outputs) - 1)


@rule("embedding")
def embedding(state: TraceState, call: Call) -> list[Layers]:
    """Rows of a table (V, C) at indices (...): (..., C)."""
    state.freeze(state.layers(call["indices"]), "used as an index")
    return [columns_of(state, call["weight"], call.out.dim())]


def columns_of(state: TraceState, table: Tensor, rank: int) -> Layers:
    """The columns of a table as units along the last dimension of what was looked up in it."""
    columns = []
    for layer in state.layers(table):
        if layer.shape[0] > 1:
            state.units.freeze(layer, "rows are picked by number")
        else:
            columns.append(along(layer.reshape(-1), rank - 1, rank))
    state.produce(table, "embedding", columns)
    return tuple(columns)
