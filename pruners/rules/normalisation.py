"""Rules for normalisations: statistics over units are those of the units that stay."""

from __future__ import annotations

from torch import Tensor

from ..labels import Layers, along, unflatten, varying
from .registry import rule
from .state import Call, TraceState


@rule(
    "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training "
    "cudnn_batch_norm _batch_norm_with_update"
)
def batch_norm(state: TraceState, call: Call) -> list[Layers]:
    """(N, C, ...): everything per channel; in train mode statistics over N and space."""
    training = call.arguments.get("training", call.name.endswith("update"))
    if training:
        for layer in state.layers(call.x):
            if varying(layer) != [1]:
                state.units.freeze(layer, "batch statistics over units")
    result = per_channel(state, call)
    return [result] + [()] * (len(call.outputs) - 1)


@rule("native_group_norm")
def group_norm(state: TraceState, call: Call) -> list[Layers]:
    """Statistics per group of channels: every group loses the same positions."""
    for layer in state.layers(call.x):
        if varying(layer) != [1]:
            state.units.freeze(layer, "group_norm over units laid out in space")
        else:
            keep_groups_even(state, unflatten(layer, 1, (call["group"], -1)))
    if call["weight"] is None and not state.normalising:
        state.freeze(state.layers(call.x), "normalised over units outside a module called a norm")
    return [per_channel(state, call)] + [()] * (len(call.outputs) - 1)


def keep_groups_even(state: TraceState, folded: Tensor) -> None:
    """Groups that are units as a whole (heads) go one by one, else all lose the same positions.

    ``folded`` has the shape (1, groups, positions, 1, ...).
    """
    if bool((folded == folded.narrow(2, 0, 1)).all()):
        state.visit(folded, [folded.narrow(2, 0, 1)])
    else:
        state.units.tie_along(folded, [1])


def per_channel(state: TraceState, call: Call) -> Layers:
    """The input merged with vectors of one number per channel (weight, bias, statistics)."""
    rank = call.x.dim()
    shape = [1, -1] + [1] * (rank - 2)
    operands: list[tuple[Tensor | None, Layers]] = [(call.x, state.layers(call.x))]
    for vector in call.inputs[1:]:
        own = tuple(along(la.reshape(-1), 1, rank) for la in state.layers(vector))
        operands.append((vector.reshape(shape), own))
    return state.merge(operands, rank)


@rule("native_layer_norm _fused_rms_norm")
def layer_norm(state: TraceState, call: Call) -> list[Layers]:
    """Statistics over the last dimensions, weight and bias of their shape."""
    normalized = range(call.x.dim() - len(call["normalized_shape"]), call.x.dim())
    if call["weight"] is None and not state.normalising:
        for layer in state.layers(call.x):
            if any(layer.shape[d] > 1 for d in normalized):
                state.units.freeze(layer, "normalised over units outside a module called a norm")
    merged = state.merge([(t, state.layers(t)) for t in call.inputs], call.x.dim())
    state.visit(call.x, merged)
    return [merged] + [()] * (len(call.outputs) - 1)


@rule("_weight_norm_interface _weight_norm")
def weight_norm(state: TraceState, call: Call) -> list[Layers]:
    """Direction times length, g v / |v|, the norm over all dimensions of v but one."""
    merged = state.merge([(t, state.layers(t)) for t in call.inputs], call.out.dim())
    return [merged] + [()] * (len(call.outputs) - 1)
