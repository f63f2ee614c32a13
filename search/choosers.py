"""Points of the space that are chosen directly, not drawn by a sampler."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ..pruners.cost import Ints
from .branch import Branch, branches
from .candidates import switches
from .front import Floats, non_dominated
from .goal import Goal
from .history import Key, Record
from .learner import ENOUGH, Learner, Points
from .opening import Depth, opened
from .space import SearchSpace
from .warm import van_der_corput, warm_starts

HEATS = 2
"""Plans of every base allocation before a model of quality chooses; one where all cost the same."""
FAILURES = 4
"""Plans of a branch that may fail while it has too few for a model."""
TRIES = 5
"""Candidates looked at for one whose plan, once its widths are fitted, nobody had."""
COUNT = 300
"""Candidates that are weighed at a proposal; three times as many were no better."""


@dataclass(frozen=True)
class Plans:
    """The plans of a study on rung 0, by number.

    Attributes:
        done: measured.
        running: proposed and not finished.
        failed: that gave no result.
    """

    done: Sequence[Record]
    running: Sequence[Record] = ()
    failed: Sequence[Record] = ()

    @property
    def all(self) -> list[Record]:
        """Every one."""
        return [*self.done, *self.running, *self.failed]

    @property
    def for_good(self) -> list[Record]:
        """Those that failed and were not tried again."""
        again = {record.retry_of for record in self.all} if self.failed else set()
        return [record for record in self.failed if record.number not in again]


class Chooser(Protocol):
    """Chooses the next plan from those so far; equal histories give equal choices."""

    def __call__(self, plans: Plans, index: int, seed: int) -> dict[str, Any] | None:
        """Parameters of the index-th plan, from 0; ``None`` leaves it to the sampler."""


@dataclass(frozen=True)
class Warm:
    """Sweeps of all base allocations first, the rest left to the sampler."""

    space: SearchSpace
    goal: Goal
    n_trials: int

    def __call__(self, plans: Plans, index: int, seed: int) -> dict[str, Any] | None:
        """See :class:`Chooser`."""
        space = self.space.within(*self.goal.bounds(self.space.options.budget))
        warm = warm_starts(space, self.n_trials)
        return warm[index] if index < len(warm) else None


@dataclass
class Grid:
    """Sweeps of all base allocations, each in all quantisations, and nothing else.

    They take turns, forth and back, so that each has large and small plans. Densities follow a
    low-discrepancy sequence, squared: more of them where plans are small. In a slice of cost each
    allocation begins at its upper end: what may be used is.
    """

    space: SearchSpace
    goal: Goal
    n_trials: int
    _branches: tuple[Branch, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Tabulate the allocations."""
        self._branches = branches(self.space, self.goal.bounds(self.space.options.budget))

    @property
    def bases(self) -> int:
        """Base allocations of all branches."""
        return sum(len(b.roads) for b in self._branches)

    def __call__(self, plans: Plans, index: int, seed: int) -> dict[str, Any]:
        """See :class:`Chooser`."""
        options = self._branches[0].space.options
        kinds = len(options.quantizations)
        rows = [self._branches[i : i + kinds] for i in range(0, len(self._branches), kinds)]
        bases = [(b, name) for row in rows for name in row[0].roads for b in row]
        turn, place = divmod(index, len(bases))
        branch, name = bases[-1 - place if turn % 2 else place]
        if branch.narrow and index < len(bases):
            return branch.on_top(name)
        part = van_der_corput(index + 1) ** 2
        low, high = branch.span
        return branch.on_road(name, low + part * (high - low))


@dataclass
class ModelBased(Grid):
    """Sweeps first, then the candidate of the largest expected hypervolume improvement.

    A few plans of each base allocation show what the model loses; from then on candidates are
    weighed at every proposal: their parameters and multiply-accumulates are arithmetic, what is
    measured is modelled. They vary stages, and then single groups, once what is coarser pays no
    more. Of several branches one with too few plans for a model gets every other plan until it has
    enough.
    """

    sweeps: bool = True
    _points: Points = field(init=False)
    _learners: tuple[Learner, ...] = field(init=False)

    def __post_init__(self) -> None:
        """One learner per branch."""
        super().__post_init__()
        self._points = Points(self.goal)
        self._learners = tuple(Learner(b, self._points) for b in self._branches)

    def __call__(self, plans: Plans, index: int, seed: int) -> dict[str, Any] | None:  # type: ignore[override]
        """See :class:`Chooser`."""
        if index < self.heats:
            return super().__call__(plans, index, seed) if self.sweeps else None
        if self.sweeps and index % 2 and (found := self.swept(plans, index)) is not None:
            return found
        found = self.best(plans, np.random.default_rng([seed, index]))
        if found is not None:
            return found
        return super().__call__(plans, index, seed) if self.sweeps else None

    def swept(self, plans: Plans, index: int) -> dict[str, Any] | None:
        """One more plan on the base allocations of the branch that has fewest plans, in turn.

        ``None`` where every branch has enough of them to learn from, or fails too often, or is the
        only one.
        """
        if len(self._branches) == 1:
            return None
        known, failed = sorted_out([*plans.done, *plans.running]), sorted_out(plans.for_good)
        few = [
            b
            for b in self._branches
            if len(known[b.key]) < ENOUGH and len(failed[b.key]) < FAILURES
        ]
        if not few:
            return None
        branch = min(few, key=lambda b: len(known[b.key]))
        count, names = len(known[branch.key]) + len(failed[branch.key]), list(branch.roads)
        low, high = branch.span
        part = van_der_corput(index + 1) ** 2
        return branch.on_road(names[count % len(names)], low + part * (high - low))

    @property
    def heats(self) -> int:
        """Plans of the sweeps."""
        each = 1 if all(b.narrow for b in self._branches) else HEATS
        return min(each * self.bases, max(1, self.n_trials // 2))

    def best(self, plans: Plans, random: np.random.Generator) -> dict[str, Any] | None:
        """The point that promises most, over all branches; ``None`` while little is known."""
        points = self.standing(plans.done)
        front, depth = front_of(points), self.depth(points)
        done, running, failed = map(sorted_out, (plans.done, plans.running, plans.for_good))
        front = np.concatenate([front, *self.expected(done, running)])
        best: tuple[Branch, Ints] | None = None
        most = -np.inf
        for learner in self._learners:
            branch = learner.branch
            learned = learner.window(done[branch.key])
            if len(learned) < ENOUGH:
                continue
            drawn = branch.drawn(learner.front_logits(learned), COUNT, random, depth)
            known = [*done[branch.key], *running[branch.key], *failed[branch.key]]
            widths = untried(drawn, branch.tried(known))
            if len(widths) == 0:
                continue
            gains = learner.gains(done[branch.key], failed[branch.key], widths, front, random)
            if gains.max() > most:
                order = np.argsort(-gains, kind="stable")[:TRIES]
                most, best = float(gains.max()), (branch, widths[order])
        return None if best is None else best[0].first_new(best[1])

    def expected(
        self, done: Mapping[Key, list[Record]], running: Mapping[Key, list[Record]]
    ) -> Iterator[Floats]:
        """Where the running plans of every branch with a model are expected to come out, (n, m).

        They count as measured (the believer of Ginsbourger et al. 2010), so that workers are sent
        to different places.
        """
        for learner in self._learners:
            key = learner.branch.key
            if running[key] and len(done[key]) >= ENOUGH:
                yield learner.expected(done[key], running[key])

    def depth(self, points: Floats) -> Depth:
        """The level to vary: of a flat space, which few groups have, single groups at once."""
        return "layer" if self.space.options.kind == "flat" else opened(points, self.heats)

    def standing(self, done: Sequence[Record]) -> Floats:
        """Finished trials as points (N, m); those that break a constraint as the reference."""
        points = self._points(done)
        if not self.goal.constraints:
            return points
        broken = [self.goal.violation(record.values) > 0 for record in done]
        return np.where(np.array(broken, np.bool_)[:, None], 1.0, points)


@dataclass
class LevelSwitches(ModelBased):
    """Sweeps first, then mutations of the front: a few groups wider, others narrower.

    Sieberling et al. 2024 (EvoPress), arXiv:2410.14649; without a model of quality.
    """

    def best(self, plans: Plans, random: np.random.Generator) -> dict[str, Any] | None:
        """A random mutant of a random member of the front."""
        done = sorted_out(plans.done)
        learners = [x for x in self._learners if done[x.branch.key]]
        if not learners:
            return None
        learner = learners[random.integers(len(learners))]
        branch = learner.branch
        front, groups = learner.front_logits(done[branch.key]), np.arange(len(branch.cost.names))
        if len(front) == 0:
            return None
        drawn = branch.allowed(switches(front, 30, random, groups))
        widths = untried(drawn, branch.tried(sorted_out(plans.all)[branch.key]))
        return branch.first_new(random.permutation(widths)) if len(widths) else None


def front_of(points: Floats) -> Floats:
    """The non-dominated points, (F, m), of those that are anywhere better than the reference."""
    points = points[(points < 1).any(axis=1)]
    return points[non_dominated(points)]


def sorted_out(records: Sequence[Record]) -> Mapping[Key, list[Record]]:
    """Records by their branch."""
    found: dict[Key, list[Record]] = defaultdict(list)
    for record in records:
        found[record.key].append(record)
    return found


def untried(widths: Ints, tried: Set[bytes]) -> Ints:
    """The rows of (N, G) that no plan has had."""
    return widths[[row.tobytes() not in tried for row in widths]]
