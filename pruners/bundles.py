"""Groups that can only go in proportion: kept as one group of bigger units.

``nn.MultiheadAttention`` reshapes to the width of its input, so the widths of heads and residual
stream must keep their ratio: with 4 heads and 32 channels, one unit is a head and 8 channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import gcd

from .tree import Cut, Group


def bundle(groups: Sequence[Group]) -> Group | None:
    """One group that takes its units from all of ``groups`` in proportion to their widths.

    It has as many units as the greatest common divisor of the widths; None where that is 1.
    """
    count = gcd(*(g.width for g in groups))
    if count < 2:
        return None
    merged: dict[tuple[str, int], list[tuple[int, ...]]] = {}
    for group in groups:
        size = group.width // count
        for cut in group.cuts:
            blocks = [cut.positions(range(u * size, (u + 1) * size)) for u in range(count)]
            earlier = merged.get((cut.tensor, cut.dim), [()] * count)
            merged[cut.tensor, cut.dim] = [
                tuple(sorted({*a, *b})) for a, b in zip(earlier, blocks, strict=True)
            ]
    cuts = tuple(Cut(tensor, dim, tuple(indices)) for (tensor, dim), indices in merged.items())
    first = groups[0]
    return Group(first.name, first.stage, first.kind, cuts)


def candidates(groups: Sequence[Group]) -> Iterator[list[Group]]:
    """Sets of groups worth trying in proportion, likely ones first.

    Groups that are cut from one tensor belong together: first the heads with their residual
    stream, then whatever touches.
    """
    for linked in (heads_and_stream, share_tensor):
        for component in components(groups, linked):
            if len(component) > 1:
                yield component
    for i, group in enumerate(groups):
        yield from ([group, other] for other in groups[i + 1 :] if share_tensor(group, other))


def share_tensor(a: Group, b: Group) -> bool:
    """Whether some tensor is cut by both."""
    return not {c.tensor for c in a.cuts}.isdisjoint(c.tensor for c in b.cuts)


def heads_and_stream(a: Group, b: Group) -> bool:
    """Whether one of two groups that share a tensor is a group of heads, the other not."""
    return (a.kind == "head") != (b.kind == "head") and share_tensor(a, b)


def components(
    groups: Sequence[Group], linked: Callable[[Group, Group], bool]
) -> list[list[Group]]:
    """Connected components, groups in their order."""
    label = list(range(len(groups)))
    for i, a in enumerate(groups):
        for j in range(i):
            if label[i] != label[j] and linked(groups[j], a):
                old, new = max(label[i], label[j]), min(label[i], label[j])
                label = [new if k == old else k for k in label]
    return [[g for g, k in zip(groups, label, strict=True) if k == n] for n in sorted(set(label))]
