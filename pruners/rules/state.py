"""What is known while a model runs on labels, and one ATen call as the rules see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from ...limits import UNLIMITED, Allowance
from ..labels import Layers, UnitSpace, alike, crossed, pad_rank, varying

MAX_COMPARED = 4_000_000
"""Larger unlabelled operands are not searched for being constant: they fix what meets them."""
COMPARISONS = {"gt", "ge", "lt", "le", "eq", "ne", "logical_not", "isnan", "isinf", "isfinite"}
READERS = {"_local_scalar_dense", "is_nonzero"}
"""What a decision of the Python code needs; anything else puts the value into the model."""
PASSING = COMPARISONS | {"detach", "alias"}
"""What gives a value that waits as the one it was made of."""


MAX_LABELS = 2**26
"""Half a gigabyte: what needs more labels than this is fixed."""


@dataclass(frozen=True)
class Call:
    """One ATen call: name without overload, arguments by schema name, tensors in and out."""

    name: str
    overload: str
    arguments: Mapping[str, Any]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def __getitem__(self, argument: str) -> Any:
        return self.arguments[argument]

    @property
    def x(self) -> Tensor:
        """The first tensor argument."""
        return self.inputs[0]

    @property
    def out(self) -> Tensor:
        """The first tensor result."""
        return self.outputs[0]

    @classmethod
    def of(cls, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Call:
        """The call ``func(*args, **kwargs)`` that gave ``result``."""
        arguments = {}
        for i, argument in enumerate(func._schema.arguments):
            default = argument.default_value if argument.has_default_value() else None
            given = args[i] if i < len(args) else kwargs.get(argument.name, default)
            arguments[argument.name] = given
        name = func._schema.name.split("::")[1]
        return cls(name, func._overloadname, arguments, tensors(arguments), tensors(result))


def tensors(tree: Any) -> tuple[Tensor, ...]:
    """All tensors of nested containers, in order."""
    if isinstance(tree, Mapping):
        tree = dict(tree)
    return tuple(t for t in tree_leaves(tree) if isinstance(t, Tensor))


@dataclass(frozen=True)
class Product:
    """A contraction with a parameter, or a look-up: where units are made.

    Attributes:
        parameter: the name of the weight.
        kind: ``"channel"``, ``"neuron"`` or ``"embedding"``.
        labels: of the units it makes.
    """

    parameter: str
    kind: str
    labels: Tensor


@dataclass(frozen=True)
class Site:
    """A size that an operation saw: ``sizes[d]`` positions with these labels, inside a module."""

    module: str
    layer: Tensor
    sizes: tuple[int, ...]


Rows = Mapping[int, Sequence[tuple[set[int], list[int]]]]
"""By call number: dimensions of a grid, and those of them that tell its rows apart."""


@dataclass
class TraceState:
    """Labels of every live tensor, and what the rules noted on the way.

    Attributes:
        units: the union-find.
        samples: batch size of the example inputs.
        survivors: whether statistics over units may run over those that stay, wherever they are.
        modules: names of the modules that are running, innermost last.
        operation: name of the current ATen call.
        function: name of the function of PyTorch's Python interface that it is part of.
        macs: multiply-accumulates of one sample by parameter name.
        weights: parameters that took part in contractions, in order.
        counting: whether work is booked now (the eval-mode forward only).
        used: names of parameters and buffers that some operation read.
        products: where units are made, in order.
        sites: sizes that operations saw.
        allowance: of time and memory; operations after it is spent are taken as unknown.
        rows: what an earlier pass knows of grids whose rows go as a whole.
        grids: call number and layer, where a view laid it out over more dimensions than before.
        heads: layers whose units are whole rows.
        attended: labels that activations were contracted over, one row per head.
        ordinal: number of the current call.
    """

    units: UnitSpace
    samples: int = 1
    survivors: bool = False
    modules: list[str] = field(default_factory=list)
    in_norm: list[bool] = field(default_factory=list)
    operation: str = ""
    function: str = ""
    macs: dict[str, float] = field(default_factory=dict)
    weights: dict[str, None] = field(default_factory=dict)
    counting: bool = True
    used: set[str] = field(default_factory=set)
    products: list[Product] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)
    allowance: Allowance = field(default_factory=UNLIMITED.begin)
    rows: Rows = field(default_factory=dict)
    grids: list[tuple[int, Tensor]] = field(default_factory=list)
    heads: list[Tensor] = field(default_factory=list)
    attended: list[Tensor] = field(default_factory=list)
    ordinal: int = 0
    _layers: MutableMapping[Tensor, tuple[int, Layers]] = field(
        default_factory=WeakTensorKeyDictionary
    )
    _deferred: MutableMapping[Tensor, tuple[Layers, str]] = field(
        default_factory=WeakTensorKeyDictionary
    )
    _origins: MutableMapping[Tensor, dict[str, int]] = field(
        default_factory=WeakTensorKeyDictionary
    )

    @property
    def normalising(self) -> bool:
        """Whether the innermost running module is called a norm, or all are taken for one."""
        return self.survivors or (bool(self.in_norm) and self.in_norm[-1])

    def layers(self, tensor: Tensor) -> Layers:
        """The settled layers of a tensor."""
        version, layers = self._layers.get(tensor, (0, ()))
        if version == self.units.version:
            return layers
        layers = self.units.settle(layers)
        self._layers[tensor] = self.units.version, layers
        return layers

    def label(self, tensor: Tensor, layers: Iterable[Tensor]) -> None:
        """Set the layers of a tensor; a unit that is the whole tensor cannot go."""
        layers = self.units.settle(layers)
        self.freeze([la for la in layers if not varying(la)], "would leave nothing")
        self.freeze([la for la in layers if la.numel() > MAX_LABELS], "has too many elements")
        self._layers[tensor] = self.units.version, tuple(la for la in layers if varying(la))

    def is_labelled(self, tensor: Tensor) -> bool:
        """Whether some layer is known for the tensor."""
        return bool(self._layers.get(tensor, (0, ()))[1])

    def adopt(self, name: str, tensor: Tensor) -> None:
        """Make a parameter or buffer known by name."""
        self._origins[tensor] = {name: tensor.numel()}

    def origins(self, tensor: Tensor) -> dict[str, int]:
        """Parameters and buffers a tensor was computed from alone, with their sizes."""
        return self._origins.get(tensor, {})

    def inherit(self, call: Call) -> None:
        """Note which parameters were read; what is computed from them alone stays theirs."""
        known = [self.origins(t) for t in call.inputs]
        for origin in known:
            if len(origin) == 1:
                self.used.update(origin)
        if known and all(known):
            for out in call.outputs:
                if out not in self._origins:
                    self._origins[out] = {k: n for origin in known for k, n in origin.items()}

    def defer(self, tensor: Tensor, layers: Layers, reason: str) -> None:
        """Fix these units as soon as ``tensor`` is used for more than a comparison."""
        self._deferred[tensor] = layers, reason

    def use(self, call: Call) -> None:
        """Fix what was deferred, unless this call only compares it or reads it into Python."""
        for tensor in call.inputs:
            layers, reason = self._deferred.get(tensor, ((), ""))
            if not layers or call.name in READERS:
                continue
            if call.name in PASSING:
                self.defer(call.out, layers, reason)
            else:
                self.freeze(layers, reason)

    def deferred(self, tensor: Tensor) -> Layers:
        """What waits for the use of a tensor."""
        return self._deferred.get(tensor, ((), ""))[0]

    def freeze(self, layers: Iterable[Tensor], reason: str) -> None:
        """Fix every unit of these layers."""
        for layer in layers:
            self.units.freeze(layer, reason)

    def count(self, weight: Tensor, macs: int) -> None:
        """Book the work of a contraction on the parameters its weight is made of."""
        origins = self.origins(weight)
        total = sum(origins.values())
        for name, size in origins.items():
            self.weights[name] = None
            if self.counting:
                self.macs[name] = self.macs.get(name, 0) + macs * size / total / self.samples

    def produce(self, weight: Tensor, kind: str, labels: Iterable[Tensor]) -> None:
        """Note that these units are made by the largest parameter behind ``weight``."""
        origins = self.origins(weight)
        if origins:
            name = max(origins, key=lambda k: origins[k])
            self.products.extend(Product(name, kind, layer.reshape(-1)) for layer in labels)

    def attend(self, contracted: Iterable[tuple[Tensor, int]]) -> None:
        """Note the rows of units that two activations are contracted over (heads)."""
        for layer, dim in contracted:
            if layer.shape[dim] > 1 and layer.numel() > layer.shape[dim]:
                self.attended.append(layer.movedim(dim, -1).reshape(-1, layer.shape[dim]))

    def grid(self, layer: Tensor) -> Tensor:
        """A layer that now lies over several dimensions; whole rows go where that is known."""
        dims = varying(layer)
        self.grids.append((self.ordinal, layer))
        for known, rows in self.rows.get(self.ordinal, ()):
            if known.issuperset(dims):
                layer = self.units.tie_along(layer, [d for d in dims if d not in rows])
                self.heads.append(layer)
                break
        return layer

    def visit(self, tensor: Tensor, layers: Iterable[Tensor]) -> None:
        """Note the sizes that the current operation gives to labelled dimensions.

        Sizes inside a matrix product or attention are those of its operands.
        """
        if self.function in ("matmul", "__matmul__", "einsum", "scaled_dot_product_attention"):
            return
        module = self.modules[-1] if self.modules else ""
        self.sites.extend(Site(module, layer, tuple(tensor.shape)) for layer in layers)

    def merge(self, operands: Sequence[tuple[Tensor | None, Layers]], rank: int) -> Layers:
        """Layers of the element-wise combination of operands that broadcast against each other.

        A unit that one operand has along a dimension must be had by every other operand that is
        wide there; an unlabelled wide operand fixes it, unless it is constant along the dimension.
        ``None`` stands for an operand without a size of its own.
        """
        padded = [(t, [pad_rank(layer, rank) for layer in ls]) for t, ls in operands]
        for i, (_, own) in enumerate(padded):
            for j, (tensor, theirs) in enumerate(padded):
                if i != j and tensor is not None:
                    self._meet(own, tensor, theirs)
        united: Layers = ()
        for _, layers in padded:
            united = self.combine(united, layers)
        return united

    def unite(self, layers: Sequence[Tensor]) -> Layers:
        """Layers of one tensor, tied where they vary along the same dimension."""
        united: Layers = ()
        for layer in layers:
            united = self.combine(united, [layer])
        return united

    def combine(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> Layers:
        """Layers of two operands, tied where they vary along the same dimension.

        Those of one operand may share a dimension (rows and columns of what was flattened).
        """
        first, second = self.units.settle(first), self.units.settle(second)
        for dim in {d for layer in (*first, *second) for d in varying(layer)}:
            if pairs := self.partners(first, second, dim):
                second = tuple(la for la in second if not any(la is b for _, b in pairs))
                for a, b in pairs:
                    self.units.tie(a, b)
        return self.meet(self.units.settle(first), self.units.settle(second))

    def meet(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> Layers:
        """Every layer of ``second`` tied to those of ``first`` with which it shares a dimension."""
        united, others = list(first), list[Tensor]()
        for layer in second:
            dims = set(varying(layer))
            meets = [k for k, other in enumerate(united) if dims & set(varying(other))]
            for k in meets:
                self.units.tie(united[k], layer)
                layer = torch.where(united[k] > 0, united[k], layer)
            united = [other for k, other in enumerate(united) if k not in meets]
            (united if meets else others).append(layer)
        return self.units.settle([*united, *others])

    def partners(
        self, first: Sequence[Tensor], second: Sequence[Tensor], dim: int, other: int | None = None
    ) -> list[tuple[Tensor, Tensor]]:
        """Pairs of layers that repeat their units alike, where several share a dimension.

        Where they do not match one to one, rows and columns cannot both stay free: the fewer are
        fixed, and there are no pairs.

        Args:
            first: layers of one operand.
            second: of another.
            dim: dimension of the first.
            other: dimension of the second, if it is another one.
        """
        ours = [la for la in first if la.shape[dim] > 1]
        theirs = [lb for lb in second if lb.shape[dim if other is None else other] > 1]
        grids = any(len(varying(layer)) > 1 for layer in (*ours, *theirs))
        if max(len(ours), len(theirs)) < 2 or not ours or not theirs or grids:
            return []
        pairs: list[tuple[Tensor, Tensor]] = []
        for a in ours:
            left = [b for b in theirs if not any(b is taken for _, taken in pairs)]
            pairs += [(a, b) for b in left if alike(a.reshape(-1), b.reshape(-1))][:1]
        if len(pairs) == len(ours) == len(theirs):
            return pairs
        for side in (ours, theirs):
            self.thin(side)
        return []

    def thin(self, layers: Sequence[Tensor]) -> None:
        """Of layers that cross like rows and columns, fix those with fewer units."""
        ordered = sorted(layers, key=lambda la: len(la.unique()))
        for k, layer in enumerate(ordered):
            if any(crossed(layer.reshape(-1), wider.reshape(-1)) for wider in ordered[k + 1 :]):
                self.units.freeze(layer, "flattened together with others")

    def _meet(self, layers: Sequence[Tensor], other: Tensor, theirs: Sequence[Tensor]) -> None:
        known = {d for layer in theirs for d in varying(layer)}
        for layer in layers:
            offset = layer.dim() - other.dim()
            for d in varying(layer):
                wide = d >= offset and other.shape[d - offset] > 1 and d not in known
                if wide and not is_constant(other, d - offset):
                    self.units.freeze(layer, "meets a tensor whose size does not follow")


def is_constant(tensor: Tensor, dim: int) -> bool:
    """Whether all values along a dimension are equal, so that any number of them is the same."""
    if tensor.numel() > MAX_COMPARED or tensor.is_complex():
        return False
    return bool((tensor == tensor.narrow(dim, 0, 1)).all())
