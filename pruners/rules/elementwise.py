"""Rules for operations that treat every element on its own, and for tensors made from nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from ..labels import Layers, along, varying
from .registry import rule
from .state import Call, TraceState

EXTRA = (
    "clone contiguous detach detach_ alias _to_copy lift_fresh lift_fresh_copy _prelu_kernel "
    "native_dropout bernoulli_ to fill_ zero_ _conj positive resolve_conj resolve_neg tril triu "
    "tril_ triu_ nan_to_num rrelu_with_noise _reshape_copy alias_copy log_sigmoid_forward "
    "masked_fill masked_fill_ uniform_ normal_ bernoulli hardswish hardswish_ floor_divide isclose "
    "__and__ __or__ dropout complex polar "
    "zeros_like ones_like full_like empty_like rand_like randn_like randint_like"
)
"""Element-wise, but without the tag that says so."""

FACTORIES = (
    "zeros ones full empty new_zeros new_ones new_full new_empty new_empty_strided empty_strided"
)


def is_pointwise(func: torch._ops.OpOverload) -> bool:
    """Whether ATen itself calls the operation, or what it does out of place, point-wise."""
    packets = [func.overloadpacket]
    packets += [p] if (p := getattr(torch.ops.aten, packets[0].__name__.rstrip("_"), None)) else []
    return any(torch.Tag.pointwise in getattr(p, o).tags for p in packets for o in p.overloads())


@rule(EXTRA)
def pointwise(state: TraceState, call: Call) -> list[Layers]:
    """Units that meet are one unit; the result carries them all."""
    rank = call.out.dim()
    merged = state.merge([(t, state.layers(t)) for t in call.inputs], rank)
    if writes_new_units(state, call, merged):
        state.freeze(merged, "written in place into a view")
        merged = ()
    return [merged] * len(call.outputs)


@rule("copy_")
def copy_(state: TraceState, call: Call) -> list[Layers]:
    """An assignment, ``x[...] = source``."""
    return pointwise(state, call)


def writes_new_units(state: TraceState, call: Call, merged: Layers) -> bool:
    """Whether an in-place call brings units to a view whose base would not know of them."""
    target = call.x
    if call.out is not target or target._base is None:
        return False
    known = {d for layer in state.layers(target) for d in varying(layer)}
    return any(d not in known for layer in merged for d in varying(layer))


@rule(FACTORIES)
def factory(state: TraceState, call: Call) -> list[Layers]:
    """A tensor of equal values: every size is a unit of its own until it meets others."""
    layers = size_labels(state, call.out)
    state.visit(call.out, layers)
    return [layers]


def size_labels(state: TraceState, tensor: Tensor) -> Layers:
    """Fresh labels along every dimension with more than one position."""
    sizes = enumerate(tensor.shape)
    return tuple(along(state.units.fresh(n), d, tensor.dim()) for d, n in sizes if n > 1)
