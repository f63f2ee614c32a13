"""Sizes that modules keep as integers, such as ``num_heads``, and the widths they must follow.

While the model runs, every view, split, expansion and buffer notes which sizes it gave to labelled
dimensions, and in which module. An integer of that module that equals such a size is taken to be
where it came from. That is a guess: the check of the cut model decides about it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from .labels import shrink, varying
from .rules.state import Site, TraceState
from .sizes import stored_sizes
from .tree import Attribute

NO_WIDTH = re.compile(
    "training|window|shift|image|img|patch|kernel|stride|dilation|padding|resolution|grid|spatial|"
    "seq|length|depth|layers|blocks|classes|labels|steps|position|index|epoch|bucket|vocab|distance"
)
"""Parts of names whose integers count something else than units."""

Follows = tuple[tuple[str, int], ...]
"""Groups along a dimension, and how many positions each of their units has there."""


@dataclass(frozen=True)
class Claim:
    """An integer of a module that equals a size which some operation saw."""

    module: str
    name: str
    position: int | None
    follows: Follows


def find_claims(
    model: nn.Module,
    state: TraceState,
    members: Mapping[str, Sequence[int]],
    heads: Container[str],
) -> tuple[Claim, ...]:
    """Integers that may follow a width, in the order in which the sizes were seen.

    Args:
        model: the traced model.
        state: the finished trace.
        members: the class labels of every group.
        heads: names of the groups of heads.
    """
    modules = dict(model.named_modules())
    group_of = {root: name for name, roots in members.items() for root in roots}
    widths = {name: len(roots) for name, roots in members.items()}
    found: dict[Claim, None] = {}
    for site, dim, roots in unit_dimensions(state):
        follows = count_units(roots, group_of, widths)
        module = modules.get(site.module)
        if follows and module is not None:
            whole = any(g in heads and n <= state.samples for g, n in follows)
            free = [i for i in integers(module) if not (whole and is_size_of_head(i[0]))]
            matches = match(free, site.sizes[dim], follows, state.samples)
            found.update(dict.fromkeys(Claim(site.module, *m) for m in matches))
    return tuple(found)


def unit_dimensions(state: TraceState) -> Iterator[tuple[Site, int, np.ndarray]]:
    """Every dimension that carries units at some site, with the class labels along it."""
    for site in state.sites:
        layer = shrink(state.units.roots(site.layer))
        dims = varying(layer)
        if len(dims) == 1 and site.sizes[dims[0]] == layer.numel():
            yield site, dims[0], layer.numpy().reshape(-1)


def count_units(
    roots: np.ndarray, group_of: Mapping[int, str], widths: Mapping[str, int]
) -> Follows:
    """How many positions one unit of every group has; empty where units of a group differ."""
    per_group: dict[str, list[int]] = defaultdict(list)
    for root, count in Counter(roots.tolist()).items():
        if root in group_of:
            per_group[group_of[root]].append(count)
    even = all(len(c) == widths[g] and len(set(c)) == 1 for g, c in per_group.items())
    return tuple((g, c[0]) for g, c in sorted(per_group.items())) if even else ()


Integer = tuple[str, int | None, int]
"""Name of an attribute, position where it is a tuple or list, value."""


def match(
    free: Sequence[Integer], size: int, follows: Follows, samples: int
) -> list[tuple[str, int | None, Follows]]:
    """The integers that equal a size, or for numbers of heads what is left of it per sample."""
    exact = [(name, position, follows) for name, position, value in free if value == size]
    exact = [m for m in exact if "head" in m[0]] or exact
    if exact or size % samples:
        return exact
    share = tuple((group, n // samples) for group, n in follows if n % samples == 0)
    if len(share) < len(follows):
        return []
    return [(n, p, share) for n, p, value in free if value == size // samples and "head" in n]


def is_size_of_head(name: str) -> bool:
    """Whether a name says how wide one head is, which does not change when heads go."""
    return any(part in name for part in ("head_dim", "head_size", "dim_head", "d_head", "d_kv"))


def integers(module: nn.Module) -> Iterator[Integer]:
    """Name, position and value of a module's own integers above 1, also in tuples and lists."""
    own = stored_sizes(module)
    for name, value in vars(module).items():
        if name.startswith("_") or name in own or NO_WIDTH.search(name):
            continue
        if isinstance(value, int) and not isinstance(value, bool) and value > 1:
            yield name, None, value
        elif isinstance(value, list | tuple) and all(type(v) is int for v in value):
            yield from ((name, i, v) for i, v in enumerate(value) if v > 1)


def resolve(claims: Iterable[Claim]) -> tuple[Attribute, ...]:
    """One rule per integer: where claims differ, the first."""
    first: dict[tuple[str, str, int | None], Claim] = {}
    for claim in claims:
        first.setdefault((claim.module, claim.name, claim.position), claim)
    return tuple(
        Attribute(c.module, c.name, c.position, group, per_unit)
        for c in first.values()
        for group, per_unit in c.follows
    )


def renamed(claims: Iterable[Claim], group: str, times: Mapping[str, int]) -> tuple[Claim, ...]:
    """Claims after the groups of ``times`` became one, which takes so many of their units each."""
    result = []
    for claim in claims:
        moved = [(group, n * times[g]) if g in times else (g, n) for g, n in claim.follows]
        merged: Counter[str] = Counter()
        for name, count in moved:
            merged[name] += count
        result.append(replace(claim, follows=tuple(sorted(merged.items()))))
    return tuple(result)
