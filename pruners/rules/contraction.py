"""Rules for matrix products and convolutions: a sum over units goes on over those that stay.

Both operands are tensors with labels, a parameter no less than an activation, so that one rule
covers a Linear, attention scores, and a weight computed on the way. The contracted dimension of one
is tied to that of the other; the remaining dimensions keep their units.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product as all_pairs

from torch import Tensor

from ..labels import Layers, along, varying
from .registry import UnknownCaseError, rule
from .state import Call, TraceState

UNMATCHED = "multiplied with a tensor that has no units there"


@rule("mm bmm")
def mm(state: TraceState, call: Call) -> list[Layers]:
    """(b, m, k) @ (b, k, n)."""
    a, b = call.inputs
    return [product(state, a, b)]


@rule("addmm baddbmm")
def addmm(state: TraceState, call: Call) -> list[Layers]:
    """A bias on top of a product."""
    bias, a, b = call.inputs
    result = product(state, a, b)
    return [state.merge([(call.out, result), (bias, state.layers(bias))], call.out.dim())]


@rule("_grouped_mm")
def grouped_mm(state: TraceState, call: Call) -> list[Layers]:
    """Rows (m, k), each times the matrix of its expert, (experts, k, n)."""
    x, experts = call.inputs[:2]
    if x.dim() != 2 or experts.dim() != 3 or call.arguments.get("bias") is not None:
        raise UnknownCaseError("grouped_mm of another form")
    state.freeze([la for la in state.layers(experts) if la.shape[0] > 1], "picked by number")
    for tensor in call.inputs[2:]:
        state.freeze(state.layers(tensor), "used as an index")
    own = [la.squeeze(0) for la in state.layers(experts) if la.shape[0] == 1]
    layers = contract(state, (x, state.layers(x)), (experts[0], own))
    state.count(experts, x.numel() * experts.shape[-1])
    state.produce(experts, "neuron", [la for la in own if la.shape[-1] > 1])
    return [layers]


@rule("_sparse_addmm")
def sparse_product(state: TraceState, call: Call) -> list[Layers]:
    """A sparse matrix (m, k), such as the edges of a graph, times (k, n)."""
    bias, x = call["self"], call["mat2"]
    state.freeze([la for la in state.layers(x) if la.shape[0] > 1], UNMATCHED)
    result = tuple(la for la in state.layers(x) if la.shape[0] == 1)
    return [state.merge([(call.out, result), (bias, state.layers(bias))], 2)]


@rule("mv dot vdot")
def mv(state: TraceState, call: Call) -> list[Layers]:
    """A product with a vector."""
    a, b = call.inputs
    rows = a.unsqueeze(0) if a.dim() == 1 else a
    state_layers = [la.unsqueeze(0) if a.dim() == 1 else la for la in state.layers(a)]
    columns = [la.unsqueeze(1) for la in state.layers(b)]
    layers = contract(state, (rows, state_layers), (b.unsqueeze(1), columns))
    return [tuple(la.reshape(la.shape[0]) if a.dim() > 1 else la.reshape(()) for la in layers)]


def product(state: TraceState, a: Tensor, b: Tensor) -> Layers:
    """Layers of a matrix product, with its work booked on the parameters in it."""
    layers = contract(state, (a, state.layers(a)), (b, state.layers(b)))
    macs = a.numel() * b.shape[-1]
    for operand, dim in ((a, -2), (b, -1)):
        if state.origins(operand):
            state.count(operand, macs)
            own = [la for la in state.layers(operand) if la.shape[dim] > 1]
            state.produce(operand, "neuron", own)
    return layers


Operand = tuple[Tensor, Sequence[Tensor]]


def contract(state: TraceState, first: Operand, second: Operand) -> Layers:
    """Layers of (b?, m, k) @ (b?, k, n).

    Units along k are tied between the operands. Those that vary along k alone end there; those
    that vary along b or m as well (whole heads) lose what tells them apart along k.
    """
    (a, a_layers), (b, b_layers) = first, second
    if not state.origins(a) and not state.origins(b):
        state.attend([(la, -1) for la in a_layers] + [(lb, -2) for lb in b_layers])
        follow(state, a_layers, b_layers)
    a_inner = [la for la in state.units.settle(a_layers) if la.shape[-1] > 1]
    b_inner = [lb for lb in state.units.settle(b_layers) if lb.shape[-2] > 1]
    if not a_inner or not b_inner:
        state.freeze([*a_inner, *b_inner], UNMATCHED)
    for la, lb in meetings(state, a_inner, b_inner):
        state.units.tie(la.unsqueeze(-1), lb.unsqueeze(-3))
    left = tuple(la for la in end(state, a_layers, -1) if varying(la))
    right = tuple(lb for lb in end(state, b_layers, -2) if varying(lb))
    if a.dim() < 3:
        return state.combine(left, right)
    return state.merge([(a.narrow(-1, 0, 1), left), (b.narrow(-2, 0, 1), right)], a.dim())


def meetings(
    state: TraceState, a_inner: Sequence[Tensor], b_inner: Sequence[Tensor]
) -> Iterable[tuple[Tensor, Tensor]]:
    """Layers of (b?, m, k) and (b?, k, n) that are tied along k: all with all, or matched pairs."""
    if not a_inner or not b_inner:
        return []
    rank = a_inner[0].dim()
    pairs = state.partners(a_inner, b_inner, rank - 1, rank - 2)
    settled = state.units.settle(a_inner), state.units.settle(b_inner)
    return pairs or all_pairs(*settled)


def follow(state: TraceState, a_layers: Sequence[Tensor], b_layers: Sequence[Tensor]) -> None:
    """Where one operand has whole heads, heads of the other go as a whole too."""
    for own, inner, theirs, outer in ((a_layers, -2, b_layers, -1), (b_layers, -1, a_layers, -2)):
        # ``outer`` is the contracted dimension of ``own``, ``inner`` that of ``theirs``
        whole = all(la.shape[outer] == 1 for la in own) and any(la.shape[0] > 1 for la in own)
        for layer in theirs if whole else ():
            if layer.dim() == 3 and layer.shape[inner] > 1 and layer.shape[0] > 1:
                state.units.tie_along(layer, [inner % 3])


def end(state: TraceState, layers: Sequence[Tensor], dim: int) -> list[Tensor]:
    """Layers after their dimension ``dim`` was summed over."""
    result = []
    for layer in state.units.settle(layers):
        d = dim % layer.dim()
        if varying(layer) == [d]:
            continue
        result.append(state.units.tie_along(layer, [d]))
    return result


@rule("convolution convolution_overrideable")
def convolution(state: TraceState, call: Call) -> list[Layers]:
    """Convolutions of any rank, plain, grouped, depthwise and transposed."""
    x, weight, groups, rank = call["input"], call["weight"], call["groups"], call.out.dim()
    channels, first, second = channel_vector(state, x), *kernel_vectors(state, weight)
    if groups == 1:
        rows, columns = (second, first) if call["transposed"] else (first, second)
        match(state, channels, columns)
    elif weight.shape[1] == 1 or x.shape[1] == groups or call.out.shape[1] == groups:
        rows = whole_groups(state, call, channels, (first, second))
    else:
        rows = within_groups(state, call, channels, (first, second))
    positions = x[:, 0] if call["transposed"] else call.out[:, 0]
    state.count(weight, positions.numel() * weight.numel())
    result = () if rows is None else (along(rows, 1, rank),)
    state.produce(weight, "channel", result)
    return [add_bias(state, call, result)]


def add_bias(state: TraceState, call: Call, result: Layers) -> Layers:
    """The layers of a convolution with its bias, shape (C,), laid along the channels."""
    bias, rank = call["bias"], call.out.dim()
    if bias is None:
        return result
    own = tuple(along(la.reshape(-1), 1, rank) for la in state.layers(bias))
    spread = bias.reshape([1, -1] + [1] * (rank - 2))
    return state.merge([(call.out, result), (spread, own)], rank)


def channel_vector(state: TraceState, x: Tensor) -> Tensor | None:
    """The units of the channels of (N, C, ...), shape (C,); others are fixed."""
    for layer in state.layers(x):
        if varying(layer) != [1]:
            state.units.freeze(layer, "convolution over units laid out in space")
    layers = state.unite(state.layers(x))
    return layers[0].reshape(-1) if layers else None


def kernel_vectors(state: TraceState, weight: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """The units of the first and of the second dimension of a kernel."""
    for layer in state.layers(weight):
        if varying(layer) not in ([0], [1]):
            state.units.freeze(layer, "kernel positions")
    layers = {varying(la)[0]: la.reshape(-1) for la in state.unite(state.layers(weight))}
    return layers.get(0), layers.get(1)


def match(state: TraceState, a: Tensor | None, b: Tensor | None) -> None:
    """Tie two vectors of units; where one is missing the other is fixed."""
    if a is not None and b is not None:
        state.units.tie(a, b)
    else:
        state.freeze([v for v in (a, b) if v is not None], UNMATCHED)


Vectors = tuple[Tensor | None, Tensor | None]


def whole_groups(
    state: TraceState, call: Call, channels: Tensor | None, kernel: Vectors
) -> Tensor | None:
    """Depthwise and its kin: one side has one channel per group, so whole groups go."""
    groups, (first, second) = call["groups"], kernel
    state.freeze([v for v in (second,) if v is not None], "inside a group that goes as a whole")
    if channels is None or first is None:
        match(state, channels, first)
        return None
    unit = state.units.tie_along(channels.reshape(groups, -1), [1])
    state.units.tie(unit, first.reshape(groups, -1))
    state.visit(call.x, [along(channels, 1, call.x.dim())])
    return unit.expand(groups, call.out.shape[1] // groups).reshape(-1)


def within_groups(
    state: TraceState, call: Call, channels: Tensor | None, kernel: Vectors
) -> Tensor | None:
    """Several channels per group on both sides: every group loses the same positions."""
    groups, (first, second) = call["groups"], kernel
    folded = None if channels is None else channels.reshape(groups, -1)
    if first is not None:
        state.units.tie_along(first.reshape(groups, -1), [0])
    if not call["transposed"]:  # (out, in / groups)
        match(state, folded, second)
        return first
    match(state, folded, None if first is None else first.reshape(groups, -1))
    return None if second is None else second.repeat(groups)


@rule("_trilinear")
def bilinear(state: TraceState, call: Call) -> list[Layers]:
    """``nn.Bilinear``: x (n, 1, i, 1) times weight (1, o, i, j) times y (n, 1, 1, j)."""
    operands: list[tuple[Tensor | None, Layers]] = []
    for k in "123":
        tensor, added = call[f"i{k}"], call[f"expand{k}"]
        layers = tuple(spread(layer, added) for layer in state.layers(tensor))
        operands.append((spread(tensor, added), layers))
    rank, summed = call["i2"].dim() + len(call["expand2"]), sorted(call["sumdim"])
    state.count(call["i2"], call["i2"].numel() * call["i1"].shape[0])
    layers = state.merge(operands, rank)
    for dim in summed:
        layers = tuple(end(state, layers, dim))
    stay = [d for d in range(rank) if d not in summed]
    result = tuple(la.reshape([la.shape[d] for d in stay]) for la in layers)
    state.produce(call["i2"], "neuron", result)
    return [result]


def spread(tensor: Tensor, added: Sequence[int]) -> Tensor:
    """The tensor with dimensions of 1 put in, lowest first."""
    for dim in sorted(added):
        tensor = tensor.unsqueeze(dim)
    return tensor
