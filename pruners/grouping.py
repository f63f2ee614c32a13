"""From labels to groups: classes of labels that are cut from the same tensors form one group."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from .attributes import Claim, find_claims, resolve
from .rules.state import Product, TraceState
from .tree import Cut, Excluded, Group, ModelTree, TensorCost

MAX_STAGES = 12
MAX_SHARE = 0.6
"""A prefix that puts more of the groups than this into one stage is too short, if another fits."""


@dataclass(frozen=True)
class Source:
    """The labels that one dimension of a parameter or buffer started with, shape (size,)."""

    tensor: str
    dim: int
    labels: Tensor


@dataclass(frozen=True)
class Unit:
    """One class of labels: where it lives, as positions by source number."""

    root: int
    positions: Mapping[int, tuple[int, ...]]

    @property
    def signature(self) -> tuple[tuple[int, int], ...]:
        """What units of one group have in common: sources, and how many positions in each."""
        return tuple((source, len(at)) for source, at in sorted(self.positions.items()))


def group_units(
    model: nn.Module, state: TraceState, sources: Sequence[Source]
) -> tuple[ModelTree, tuple[Claim, ...]]:
    """The tree of a finished trace, not yet verified, and the integers that may follow it."""
    named = named_clusters(state, sources, dict(model.named_parameters()))
    names = unique(owner(product.parameter) for product, _ in named)
    weights = weight_groups(model, state)
    stages = stage_names(list(dict.fromkeys([*names, *(name for name, _ in weights)])))
    heads = head_labels(state)
    groups = [
        Group(name, stages[name], kind_of(model, product, units, heads), make_cuts(units, sources))
        for name, (product, units) in zip(names, named, strict=True)
    ]
    members = {name: [u.root for u in units] for name, (_, units) in zip(names, named, strict=True)}
    claims = find_claims(model, state, members, {g.name for g in groups if g.kind == "head"})
    tree = ModelTree(
        groups=tuple(g for g in groups if g.width > 1),
        weights=tuple(
            Group(name, stages[name], "weight", (Cut(tensor, -1, ()),), size)
            for name, (tensor, size) in weights
        ),
        tensors=tuple(
            TensorCost(name, tuple(p.shape), round(state.macs.get(name, 0)))
            for name, p in model.named_parameters()
        ),
        attributes=resolve(claims),
        excluded=tuple(exclusions(state, groups, sources)),
    )
    return tree, claims


def named_clusters(
    state: TraceState, sources: Sequence[Source], parameters: Container[str]
) -> list[tuple[Product, list[Unit]]]:
    """Units that are cut from the same tensors, with what makes them, in forward order.

    Those of buffers alone (the slots of a cache) are left out: they cost nothing.
    """
    clusters: dict[tuple[tuple[int, int], ...], list[Unit]] = defaultdict(list)
    for unit in find_units(state, sources):
        if any(sources[s].tensor in parameters for s in unit.positions):
            clusters[unit.signature].append(unit)
    made = first_products(state)
    last = len(state.products)
    ordered = sorted(clusters.values(), key=lambda units: made.get(units[0].root, last))
    return [
        (product_of(state, made.get(units[0].root), units, sources), units) for units in ordered
    ]


def head_labels(state: TraceState) -> set[int]:
    """Classes that are whole rows of a grid, contracted by attention."""
    roots = [np.unique(state.units.roots(layer).numpy()) for layer in state.heads]
    return {int(root) for found in roots for root in found if root}


def find_units(state: TraceState, sources: Sequence[Source]) -> list[Unit]:
    """Every class of labels that is not fixed, in the order of its first label."""
    found: dict[int, dict[int, tuple[int, ...]]] = {}
    for s, source in enumerate(sources):
        roots = state.units.roots(source.labels).numpy()
        order = np.argsort(roots, kind="stable")
        starts = np.flatnonzero(np.diff(roots[order], prepend=-1))
        for root, at in zip(roots[order][starts], np.split(order, starts[1:]), strict=True):
            if root:
                found.setdefault(int(root), {})[s] = tuple(at.tolist())
    return [Unit(root, positions) for root, positions in found.items()]


def first_products(state: TraceState) -> dict[int, int]:
    """For every class the number of the first product that makes it."""
    made: dict[int, int] = {}
    for i, product in enumerate(state.products):
        for root in np.unique(state.units.roots(product.labels).numpy()).tolist():
            made.setdefault(root, i)
    return made


def product_of(
    state: TraceState, i: int | None, units: Sequence[Unit], sources: Sequence[Source]
) -> Product:
    """Product number ``i``; for units that nothing makes, one that names their first tensor."""
    if i is not None:
        return state.products[i]
    first = sources[min(units[0].positions)]
    return Product(first.tensor, "channel", first.labels)


def make_cuts(units: Sequence[Unit], sources: Sequence[Source]) -> tuple[Cut, ...]:
    """One cut per source; units in the order of their first positions."""
    ordered = sorted(units, key=lambda u: u.positions[min(u.positions)])
    return tuple(
        Cut(sources[s].tensor, sources[s].dim, tuple(u.positions[s] for u in ordered))
        for s in sorted(units[0].positions)
    )


def owner(parameter: str) -> str:
    """The path of the module that owns a parameter; the parameter's own name at the top.

    >>> owner("conv.parametrizations.weight.original1"), owner("layer.0.weight"), owner("scale")
    ('conv', 'layer.0', 'scale')
    """
    path, parametrized, _ = parameter.partition("parametrizations.")
    return (path.rstrip(".") if parametrized else parameter.rpartition(".")[0]) or parameter


def unique(names: Iterable[str]) -> list[str]:
    """Names with ``#2``, ``#3`` ... behind those that come again.

    >>> unique(["lstm", "fc", "lstm"])
    ['lstm', 'fc', 'lstm#2']
    """
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return result


def kind_of(
    model: nn.Module, product: Product, units: Sequence[Unit], heads: Container[int]
) -> str:
    """What the units of a product are called."""
    if units[0].root in heads:
        return "head"
    try:
        module = model.get_submodule(owner(product.parameter))
    except AttributeError:
        return product.kind
    return "hidden" if isinstance(module, nn.RNNBase | nn.RNNCellBase) else product.kind


def stage_names(names: Sequence[str]) -> dict[str, str]:
    """The stage of every name: the shortest prefix of paths that splits them well.

    At least two and at most :data:`MAX_STAGES` stages, none with most of the names where that can
    be had; else the first dot.

    >>> stage_names(["stem", "layer1.0.conv", "layer1.1.conv", "layer2.0.conv"])["layer1.1.conv"]
    'layer1'
    """
    deepest = max((name.count(".") for name in names), default=0) + 1
    fits = []
    for depth in range(1, deepest + 1):
        stages = [".".join(name.split("#")[0].split(".")[:depth]) for name in names]
        sizes = Counter(stages)
        if 2 <= len(sizes) <= MAX_STAGES:
            fits.append((max(sizes.values()) > MAX_SHARE * len(names), depth, stages))
    if not fits:
        return {name: name.split(".")[0].split("#")[0] for name in names}
    return dict(zip(names, min(fits)[2], strict=True))


def weight_groups(model: nn.Module, state: TraceState) -> list[tuple[str, tuple[str, int]]]:
    """Name, tensor and size of every matrix or kernel that took part in a contraction."""
    parameters = dict(model.named_parameters())
    used = [n for n in state.weights if n in parameters and parameters[n].dim() >= 2]
    per_module = Counter(owner(name) for name in used)
    return [
        (owner(name) if per_module[owner(name)] == 1 else name, (name, parameters[name].numel()))
        for name in used
    ]


def exclusions(
    state: TraceState, groups: Sequence[Group], sources: Sequence[Source]
) -> Iterable[Excluded]:
    """Layers that keep their width, with the reason of their first fixed unit."""
    said = {g.name for g in groups if g.width > 1}
    for group in groups:
        if group.width == 1:
            said.add(group.name)
            yield Excluded(group.name, "has a single unit")
    for product in state.products:
        name = owner(product.parameter)
        if name not in said and not bool(state.units.roots(product.labels).any()):
            said.add(name)
            yield Excluded(name, state.units.reason(product.labels))
    yield from untouched(state, sources, said)


def untouched(state: TraceState, sources: Sequence[Source], said: set[str]) -> Iterable[Excluded]:
    """Modules that make nothing by a known operation and of whose matrices nothing can go."""
    matrices: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        matrices[source.tensor].append(source)
    for name, dims in matrices.items():
        free = any(bool(state.units.roots(d.labels).any()) for d in dims)
        if len(dims) > 1 and not free and owner(name) not in said:
            said.add(owner(name))
            yield Excluded(owner(name), state.units.reason(dims[0].labels))
