"""Rules for operations that gather a dimension into one number, or compare along it.

Over dimensions without units nothing changes. Over units a sum or a norm goes on over those that
stay; a mean or a maximum would become another number, so the units are fixed, except in a module
whose class is called a norm: there the statistic over the units that stay is what pruning means.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..labels import Layers, varying
from .movement import require_still
from .registry import rule
from .state import Call, TraceState

STATISTICS = {"mean", "var", "std", "var_mean", "std_mean"}


@rule(
    "mean sum amax amin var std var_mean std_mean linalg_vector_norm norm prod any all "
    "argmax argmin logsumexp max min median"
)
def reduce(state: TraceState, call: Call) -> list[Layers]:
    """One number along ``dim`` (all dimensions when it is missing)."""
    if "other" in call.arguments:  # max(a, b)
        merged = state.merge([(t, state.layers(t)) for t in call.inputs], call.out.dim())
        return [merged]
    if state.normalising:
        state.visit(call.x, state.layers(call.x))
    dims = reduced_dims(call)
    ended = [la for la in state.layers(call.x) if varying(la) == mixed_dims(la, dims)]
    if not allowed(state, call):
        wait(state, call, ended)
    kept = [whole_rows(state, la, dims) for la in others(state.layers(call.x), ended)]
    stay = [d for d in range(call.x.dim()) if d not in dims]
    layers = [la for la in kept if varying(la)]
    if not call.arguments.get("keepdim"):
        layers = [la.reshape([la.shape[d] for d in stay]) for la in layers]
    return [tuple(layers)] * len(call.outputs)


def reduced_dims(call: Call) -> list[int]:
    """The dimensions a reduction runs over, counted from the front."""
    given = call.arguments.get("dim")
    if given is None or given == []:
        return list(range(call.x.dim()))
    return [d % max(call.x.dim(), 1) for d in ([given] if isinstance(given, int) else given)]


def mixed_dims(layer: Tensor, dims: Sequence[int]) -> list[int]:
    """Those of ``dims`` along which a layer varies."""
    return [d for d in dims if layer.shape[d] > 1]


def wait(state: TraceState, call: Call, layers: Sequence[Tensor]) -> None:
    """Fix units that a result mixes as soon as it is used; attention weights often never are."""
    if call.name == "sum":  # a count may be read into Python, where it decides
        state.freeze(layers, "units are counted")
    if call.name in ("argmax", "argmin") or len(call.outputs) > 1:
        state.freeze(layers, f"{call.name} over units")  # so may the number of a unit
    for out in call.outputs if layers else ():
        state.defer(out, tuple(layers), f"{call.name} over units")


def others(layers: Sequence[Tensor], ended: Sequence[Tensor]) -> list[Tensor]:
    """The layers that are not in ``ended``."""
    return [la for la in layers if not any(la is gone for gone in ended)]


def whole_rows(state: TraceState, layer: Tensor, dims: Sequence[int]) -> Tensor:
    """A layer that varies along other dimensions too: what is mixed goes together."""
    mixed = mixed_dims(layer, dims)
    state.attend([(layer, d) for d in mixed[:1]])
    return state.units.tie_along(layer, mixed)


def allowed(state: TraceState, call: Call) -> bool:
    """Whether a reduction over units means the same over those that stay."""
    if call.name == "sum":
        return call.x.is_floating_point() or call.x.is_complex()  # else it counts units
    if call.name in ("linalg_vector_norm", "norm"):
        order = call.arguments.get("ord", call.arguments.get("p"))
        return order is None or float(order) > 0  # a sum of powers
    return call.name in STATISTICS and state.normalising


@rule("_softmax _log_softmax _safe_softmax softmax log_softmax cumsum cumprod logcumsumexp sort")
def along_dim(state: TraceState, call: Call) -> list[Layers]:
    """Every element depends on all along ``dim``: units there are fixed, or whole rows go."""
    dim = call["dim"] % max(call.x.dim(), 1)
    layers = []
    for layer in state.layers(call.x):
        if varying(layer) == [dim]:
            state.units.freeze(layer, f"{call.name} over units")
        else:
            layers.append(state.units.tie_along(layer, [dim]))
    return [tuple(layers)] * len(call.outputs)


@rule("_fft_r2c _fft_c2r _fft_c2c")
def fourier(state: TraceState, call: Call) -> list[Layers]:
    """Fourier transforms along dimensions without units."""
    require_still(state, call, [d % call.x.dim() for d in call["dim"]])
    return [state.layers(call.x)]


@rule("topk")
def topk(state: TraceState, call: Call) -> list[Layers]:
    """The largest along ``dim``."""
    return along_dim(state, call)


@rule(
    "max_pool2d_with_indices max_pool3d_with_indices avg_pool1d avg_pool2d avg_pool3d max_pool1d "
    "_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_avg_pool1d adaptive_max_pool1d "
    "adaptive_max_pool2d adaptive_max_pool3d upsample_nearest1d upsample_nearest2d max_pool2d "
    "upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d upsample_linear1d "
    "_upsample_nearest_exact3d upsample_bilinear2d upsample_bicubic2d upsample_trilinear3d "
    "_upsample_bilinear2d_aa _upsample_bicubic2d_aa grid_sampler_2d grid_sampler_3d "
    "mkldnn_max_pool2d fractional_max_pool2d"
)
def spatial(state: TraceState, call: Call) -> list[Layers]:
    """Pooling, resizing and sampling in space: (B?, C, ...), the channels go through."""
    spatial_dims = next(n for n in (1, 2, 3) if f"{n}d" in call.name)
    first = call.x.dim() - spatial_dims
    result = []
    for layer in state.layers(call.x):
        if any(layer.shape[d] > 1 for d in range(first, call.x.dim())):
            state.units.freeze(layer, f"{call.name} over units laid out in space")
        else:
            result.append(layer)
    for other in call.inputs[1:]:
        state.freeze(state.layers(other), f"{call.name} at positions computed from units")
    return [tuple(result)] * len(call.outputs)
