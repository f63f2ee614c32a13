"""No group is trusted unseen: the cut model must compute what the masked dense model computes.

Both run in float64 on a copy whose constant parameters were made random, so that a wrong index
shows; right groups agree to about 1e-15, wrong ones differ by 1e-5 and more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from torch import nn

from ..limits import UNLIMITED, Allowance
from ..task import Inputs
from .attributes import Claim, renamed, resolve
from .bundles import bundle, candidates
from .oracle import Oracle
from .tree import Attribute, Excluded, Group, ModelTree
from .ways import equal_sizes

DENSITIES = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (1.0, 1.0))
"""Ranges that every group goes through in an order of its own: equal densities would hide
couplings, round ones a size that must be a multiple."""
JOINT_CHECKS = len(DENSITIES)
FINAL_CHECKS = 8
"""After something had to be given up: two coupled groups look fine in one check out of three."""

Keep = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Finding:
    """What a joint check found: the fault, empty for none, and the widths that show it."""

    fault: str
    keep: Keep


def verify_tree(model: nn.Module, example_inputs: Inputs, tree: ModelTree) -> ModelTree:
    """The tree with only such groups as can be cut from ``model`` exactly.

    All groups are checked together, each at a density of its own. If that fails, they are checked
    one by one; those that fail are given up and appear in ``excluded`` with the reason.

    Args:
        model: the dense model; unchanged.
        example_inputs: what one forward takes.
        tree: what to check.
    """
    return Verification(Oracle(model, [example_inputs]), tree).run()


class Verification:
    """The search for the largest tree that passes, one checked step after the other.

    Args:
        oracle: the judge.
        tree: what to check.
        claims: what the integers of modules may follow, for groups that are put together.
        allowance: of time and memory; what is not checked when it is spent is given up.
    """

    def __init__(
        self,
        oracle: Oracle,
        tree: ModelTree,
        claims: Sequence[Claim] = (),
        allowance: Allowance | None = None,
    ) -> None:
        self.oracle, self.tree = oracle, tree
        self.allowance = allowance or UNLIMITED.begin()
        self.claims = tuple(claims)
        self.failed: dict[str, str] = {}

    def run(self) -> ModelTree:
        """The tree without what could not be verified."""
        if self.joint(self.tree.groups).fault:
            for first in (True, False):  # what one group gives up may be what another needs
                for group in self.tree.groups if first else self.broken:
                    self.check(group, self.oracle.crash)
            known: set[str] | None = None
            while known is None or not known.issuperset(self.failed):
                self.bundle_failed()
                known = set(self.failed)
                self.settle()
            self.readmit()
        return without(self.tree, self.failed)

    @property
    def good(self) -> tuple[Group, ...]:
        """The groups nothing is known against."""
        return tuple(g for g in self.tree.groups if g.name not in self.failed)

    @property
    def broken(self) -> tuple[Group, ...]:
        """The groups that have failed."""
        return tuple(g for g in self.tree.groups if g.name in self.failed)

    @property
    def late(self) -> str:
        """Why nothing more is checked; empty while there is time and memory."""
        spent = self.allowance.spent
        return f"not verified within {spent}" if spent else ""

    def joint(
        self, groups: Sequence[Group], tree: ModelTree | None = None, checks: int = JOINT_CHECKS
    ) -> Finding:
        """The first fault of groups cut together, each at widths of all :data:`DENSITIES`."""
        tree = self.tree if tree is None else tree
        levels = DENSITIES[: len(DENSITIES) - (len(groups) == 1)]  # one alone is never whole
        for number in range(checks if groups else 0):
            if late := self.late:
                return Finding(late, {})
            at = number % len(levels)
            if at == 0:
                orders = [self.oracle.order(len(levels)) for _ in groups]
            pairs = zip(groups, orders, strict=True)
            keep = {g.name: self.oracle.draw(g, *levels[order[at]]) for g, order in pairs}
            fault = self.oracle.fault(tree, keep)
            if not fault and number == 0:
                fault = self.oracle.fault_in_training(tree, keep)
            if fault:
                return Finding(fault, keep)
        return self.coincidence(groups, tree)

    def coincidence(self, groups: Sequence[Group], tree: ModelTree) -> Finding:
        """A fault that shows where sizes that differ in the dense model are equal."""
        usual = self.oracle.steps(tree, {}) if groups else ""
        for size, keep in equal_sizes(tree, groups) if groups else ():
            if late := self.late:
                return Finding(late, {})
            if self.oracle.steps(tree, keep) != usual and (fault := self.oracle.fault(tree, keep)):
                return Finding(f"where sizes are equal ({size}): {fault}", keep)
        return Finding("", {})

    def check(self, group: Group, fault_of: Callable[[ModelTree, Keep], str]) -> None:
        """One group on its own; integers that spoil it are dropped, else it has failed."""
        faults: list[str] = []
        spare = spare_attributes(self.claims, self.tree.attributes, group.name)
        for attributes in attribute_choices((*self.tree.attributes, *spare), group.name):
            if late := self.late:
                faults.append(late)
                break
            trial = replace(self.tree, attributes=attributes)
            level = DENSITIES[self.oracle.choice(len(DENSITIES) - 1)]
            faults.append(fault_of(trial, {group.name: self.oracle.draw(group, *level)}))
            if not faults[-1]:
                self.tree = trial
                self.failed.pop(group.name, None)
                return
        self.failed[group.name] = faults[0]

    def bundle_failed(self) -> None:
        """Put groups that fail alone together in proportion, where that works."""
        for members in candidates(self.broken):
            joined = bundle(members) if all(m.name in self.failed for m in members) else None
            if joined is None or self.late:
                continue
            claims = claims_of(self.claims, members, joined)
            trial = with_bundle(self.tree, members, joined, claims)
            if not self.joint([joined], trial).fault:
                self.tree, self.claims = trial, claims
                for member in members:
                    del self.failed[member.name]

    def settle(self) -> None:
        """Find groups that spoil the whole, until what is left can be cut together."""
        mended: set[str] = set()
        while (found := self.joint(self.good, checks=FINAL_CHECKS)).fault:
            if late := self.late:
                self.failed.update((g.name, late) for g in self.good)
                return
            groups = self.good
            culprit = find_culprit(groups, partial(self.repeats, found=found))
            self.check(culprit, self.oracle.fault)
            hopeless = culprit.name in mended or self.repeats(groups, found)
            mended.add(culprit.name)
            if culprit.name not in self.failed and hopeless:
                self.failed[culprit.name] = f"only together with others: {found.fault}"

    def repeats(self, groups: Sequence[Group], found: Finding) -> bool:
        """Whether some of the groups of a finding still fail at the widths that it had."""
        keep = {g.name: found.keep[g.name] for g in groups if g.name in found.keep}
        fault = self.oracle.fault(self.tree, keep) or self.oracle.fault_in_training(self.tree, keep)
        return bool(fault)

    def readmit(self) -> None:
        """Take groups back that failed together with others that are gone by now."""
        for group in self.tree.groups:
            if self.failed.get(group.name, "").startswith("only together") and not self.late:
                together = [g for g in self.tree.groups if g in self.good or g is group]
                if not self.joint(together, checks=FINAL_CHECKS).fault:
                    del self.failed[group.name]


def spare_attributes(
    claims: Sequence[Claim], attributes: Sequence[Attribute], group: str
) -> tuple[Attribute, ...]:
    """Integers that follow this group alone by some claim, and nothing else so far."""
    taken = {(a.module, a.name, a.position) for a in attributes}
    own = [c for c in claims if {g for g, _ in c.follows} == {group}]
    return resolve(c for c in own if (c.module, c.name, c.position) not in taken)


def attribute_choices(
    attributes: tuple[Attribute, ...], group: str
) -> Iterator[tuple[Attribute, ...]]:
    """All attributes; then without those of a group, without one of them, with only one."""
    own = [a for a in attributes if a.group == group]
    others = tuple(a for a in attributes if a.group != group)
    yield attributes
    if own:
        yield others
    if len(own) > 2:
        yield from ((*others, *(b for b in own if b is not a)) for a in own)
    if len(own) > 1:
        yield from ((*others, a) for a in own)


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
    own = [a for a in resolve(claims) if a.group == joined.name]
    kept = [a for a in tree.attributes if a.group not in names]
    return replace(
        tree,
        groups=tuple(g for g in groups if g is joined or g.name not in names),
        attributes=(*kept, *own),
    )


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
