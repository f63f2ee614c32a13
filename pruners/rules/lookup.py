"""Rules for tables: a row is picked by number, its columns are units."""

from __future__ import annotations

from ..labels import Layers, along
from .registry import rule
from .state import Call, TraceState


@rule("embedding")
def embedding(state: TraceState, call: Call) -> list[Layers]:
    """Rows of a table (V, C) at indices (...): (..., C)."""
    table, rank = call["weight"], call.out.dim()
    state.freeze(state.layers(call["indices"]), "used as an index")
    columns = []
    for layer in state.layers(table):
        if layer.shape[0] > 1:
            state.units.freeze(layer, "rows are picked by number")
        else:
            columns.append(along(layer.reshape(-1), rank - 1, rank))
    state.produce(table, "embedding", columns)
    return [tuple(columns)]
