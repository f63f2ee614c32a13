"""No group is trusted unseen: the cut model must compute what the masked dense model computes.

Both run in float64 on a copy whose constant parameters were made random, so that a wrong index
shows; right groups agree to about 1e-15, wrong ones differ by 1e-5 and more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from torch import nn

from ..task import Inputs
from .attributes import Claim, renamed, resolve
from .bundles import bundle, candidates
from .oracle import Oracle, draw
from .tree import Attribute, Excluded, Group, ModelTree

DENSITIES = (0.25, 0.5, 0.75, 1.0)
"""Of which every group draws its own in a joint check: equal ones would hide couplings."""
JOINT_CHECKS = 3


def verify_tree(
    model: nn.Module, example_inputs: Inputs, tree: ModelTree, *, claims: Sequence[Claim] = ()
) -> ModelTree:
    """The tree with only such groups as can be cut from ``model`` exactly.

    All groups are checked together, each at a density of its own. If that fails, they are checked
    one by one; those that fail alone are tried in proportion to each other, and given up if that
    fails too: they appear in ``excluded`` with the reason.

    Args:
        model: the dense model; unchanged.
        example_inputs: what one forward takes.
        tree: what to check.
        claims: what the integers of modules may follow, for groups that are put together.
    """
    oracle = Oracle(model, example_inputs)
    if not tree.groups or not any(joint_faults(oracle, tree)):
        return tree
    tree, failed = check_alone(oracle, tree)
    tree, failed = try_bundles(oracle, tree, failed, claims)
    return drop_culprits(oracle, without(tree, failed))


def joint_faults(
    oracle: Oracle, tree: ModelTree, groups: Sequence[Group] | None = None
) -> Iterator[str]:
    """Faults with all groups cut together, at several random choices of widths and units."""
    for _ in range(JOINT_CHECKS):
        keep = {}
        for group in tree.groups if groups is None else groups:
            density = DENSITIES[oracle.choice(len(DENSITIES))]
            keep[group.name] = draw(group, density, oracle.generator)
        yield oracle.fault(tree, keep)


def check_alone(oracle: Oracle, tree: ModelTree) -> tuple[ModelTree, dict[str, str]]:
    """Every group on its own; integers that spoil a group are dropped. Gives the faults."""
    failed: dict[str, str] = {}
    for group in tree.groups:
        faults = []
        for attributes in attribute_choices(tree.attributes, group.name):
            trial = replace(tree, attributes=attributes)
            faults.append(oracle.fault(trial, {group.name: draw(group, 0.5, oracle.generator)}))
            if not faults[-1]:
                tree = trial
                break
        if faults[-1]:
            failed[group.name] = faults[0]
    return tree, failed


def attribute_choices(
    attributes: tuple[Attribute, ...], group: str
) -> Iterator[tuple[Attribute, ...]]:
    """All attributes, then those without the ones of a group, then with a single one of these."""
    own = [a for a in attributes if a.group == group]
    others = tuple(a for a in attributes if a.group != group)
    yield attributes
    if own:
        yield others
    if len(own) > 1:
        yield from ((*others, a) for a in own)


def try_bundles(
    oracle: Oracle, tree: ModelTree, failed: Mapping[str, str], claims: Sequence[Claim]
) -> tuple[ModelTree, dict[str, str]]:
    """Groups that fail alone, put together in proportion where that works."""
    left = dict(failed)
    for members in candidates([g for g in tree.groups if g.name in left]):
        joined = bundle(members) if all(m.name in left for m in members) else None
        if joined is None:
            continue
        trial = with_bundle(tree, members, joined, claims)
        if not any(joint_faults(oracle, trial, [joined])):
            tree = trial
            claims = claims_of(claims, members, joined)
            for member in members:
                del left[member.name]
    return tree, left


def claims_of(
    claims: Sequence[Claim], members: Sequence[Group], joined: Group
) -> tuple[Claim, ...]:
    """What integers follow once ``members`` are one group."""
    times = {m.name: m.width // joined.width for m in members}
    return renamed(claims, joined.name, times)


def with_bundle(
    tree: ModelTree, members: Sequence[Group], joined: Group, claims: Sequence[Claim]
) -> ModelTree:
    """The tree with ``joined`` in the place of the first of its members."""
    names = {m.name for m in members}
    groups = [joined if g.name == joined.name else g for g in tree.groups]
    own = [a for a in resolve(claims_of(claims, members, joined)) if a.group == joined.name]
    kept = [a for a in tree.attributes if a.group not in names]
    return replace(
        tree,
        groups=tuple(g for g in groups if g is joined or g.name not in names),
        attributes=(*kept, *own),
    )


def drop_culprits(oracle: Oracle, tree: ModelTree) -> ModelTree:
    """Give up groups until the others can be cut together."""
    while tree.groups:
        fault = next((f for f in joint_faults(oracle, tree) if f), "")
        if not fault:
            break
        culprit = find_culprit(tree.groups, partial(fails, oracle, tree))
        tree = without(tree, {culprit.name: f"only together with others: {fault}"})
    return tree


def fails(oracle: Oracle, tree: ModelTree, groups: Sequence[Group]) -> bool:
    """Whether these groups cannot be cut together."""
    return any(joint_faults(oracle, tree, groups))


def find_culprit(groups: Sequence[Group], fails: Callable[[Sequence[Group]], bool]) -> Group:
    """The group with which the shortest failing prefix of ``groups`` ends."""
    low, high = 0, len(groups)  # a prefix of ``low`` holds, one of ``high`` fails
    while high - low > 1:
        middle = (low + high) // 2
        if fails(groups[:middle]):
            high = middle
        else:
            low = middle
    return groups[high - 1]


def without(tree: ModelTree, failed: Mapping[str, str]) -> ModelTree:
    """The tree after some groups were given up."""
    excluded = tuple(Excluded(name, f"failed its check: {why}") for name, why in failed.items())
    return replace(
        tree,
        groups=tuple(g for g in tree.groups if g.name not in failed),
        attributes=tuple(a for a in tree.attributes if a.group not in failed),
        excluded=tree.excluded + excluded,
    )
