"""What the trials of one branch tell of candidates: expected gain, chance to count."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..objectives.constraint import Constraint
from ..pruners.cost import Floats, Ints
from .branch import Branch
from .front import Axis, non_dominated
from .goal import Goal
from .history import Record
from .surrogate import Belief, Surrogate, expected_gain, normal_cdf, warp

WINDOW = 200
"""Trials that are learned from: the front, then the newest."""
ENOUGH = 4
"""Trials before there is anything to learn from."""
GROWTH = 1.2
"""Hyperparameters are chosen anew when there are so many times as many trials."""
WORST = 1.2
"""Coordinates are cut off here: beyond guessing, one plan is as good as another."""
FAR = 10.0
"""Times the dense value, or the bound, that a value which is not finite is beyond a bound."""


Target = Callable[[Record], float]
"""What a model learns of one trial."""


@dataclass(eq=False)
class Points:
    """Finished trials as points to minimise, each worked out once; infinite without a result.

    Attributes:
        goal: gives the axes.
    """

    goal: Goal
    _rows: Floats = field(init=False, repr=False)
    _known: NDArray[np.bool_] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Nothing known."""
        self._rows = np.empty((0, len(self.goal.axes)))
        self._known = np.zeros(0, np.bool_)

    def __call__(self, records: Sequence[Record]) -> Floats:
        """Shape (N, m)."""
        numbers = np.array([r.number for r in records], np.int64)
        self._grow(int(numbers.max(initial=-1)) + 1)
        for place in np.flatnonzero(~self._known[numbers]).tolist():
            values = records[place].values
            row = [axis(values[axis.name]) for axis in self.goal.axes] if values else np.inf
            self._rows[numbers[place]] = row
        self._known[numbers] = True
        return self._rows[numbers]

    def _grow(self, size: int) -> None:
        """Make room for numbers below ``size``."""
        if size > len(self._known):
            more = max(size, 2 * len(self._known)) - len(self._known)
            self._rows = np.concatenate([self._rows, np.empty((more, self._rows.shape[1]))])
            self._known = np.concatenate([self._known, np.zeros(more, np.bool_)])

    def front(self, records: Sequence[Record]) -> list[int]:
        """Positions of the non-dominated ones."""
        return [int(i) for i in np.flatnonzero(non_dominated(self(records)))]


@dataclass
class Learner:
    """Learns from the trials of one branch; a function of them.

    Attributes:
        branch: whose.
        points: of the finished trials, and their goal.
    """

    branch: Branch
    points: Points
    _kept: dict[str, tuple[tuple[int, ...], Surrogate]] = field(default_factory=dict, init=False)

    def window(self, done: Sequence[Record]) -> list[Record]:
        """The trials to learn from, by number; without results only the newest."""
        if len(done) <= WINDOW:
            return list(done)
        best = [done[i] for i in self.points.front(done)][-WINDOW // 2 :]
        picked = {r.number for r in [*best, *done[len(best) - WINDOW :]]}
        return [r for r in done if r.number in picked]

    @property
    def goal(self) -> Goal:
        """Objectives, constraints and the dense model's values."""
        return self.points.goal

    def front_logits(self, learned: Sequence[Record]) -> Floats:
        """Logits of the non-dominated ones, cheapest first, shape (F, G)."""
        widths = self.widths([learned[i] for i in self.points.front(learned)])
        return self.branch.logits(widths[np.argsort(self.branch.shares(widths), kind="stable")])

    def widths(self, records: Sequence[Record]) -> Ints:
        """Widths of plans, shape (N, G)."""
        rows = [self.branch.widths(r) for r in records]
        return np.array(rows, np.int64).reshape(len(rows), len(self.branch.cost.names))

    def gains(
        self,
        done: Sequence[Record],
        failed: Sequence[Record],
        widths: Ints,
        front: Floats,
        random: np.random.Generator,
    ) -> Floats:
        """Expected gain in hypervolume of candidates (N, G), times the chance to count, (N,).

        To count a candidate must give a result and be allowed. Those that break a constraint on an
        exact cost come last: minus what they exceed it by.
        """
        beliefs = [self.believed(axis, done, widths) for axis in self.goal.axes]
        gain = expected_gain(beliefs, front, random)
        if failed:
            gain = gain * self.survival(done, failed, widths)
        for chance in self.chances(done, widths):
            gain = gain * chance
        excess = self.excess(widths)
        return np.where(excess > 0, -excess, gain)

    def expected(self, done: Sequence[Record], running: Sequence[Record]) -> Floats:
        """Where plans that still run are expected to come out, (n, m)."""
        widths = self.widths(running)
        beliefs = [self.believed(axis, done, widths) for axis in self.goal.axes]
        return np.stack([b.median for b in beliefs], axis=1)

    def believed(self, axis: Axis, done: Sequence[Record], widths: Ints) -> Belief:
        """What is thought of one objective's coordinate at these widths."""
        exact = self.branch.exact(axis.name, widths)
        if exact is not None:
            return Belief(exact, np.zeros(len(widths)))

        def coordinate(record: Record) -> float:
            found = min(max(axis(record.values[axis.name]), -WORST), WORST)
            return found if axis.guess is None else float(warp(np.array(found)))

        belief = self.modelled(axis.name, coordinate, done, widths)
        return replace(belief, warped=axis.guess is not None)

    def modelled(self, name: str, target: Target, done: Sequence[Record], widths: Ints) -> Belief:
        """A Gaussian process over what was measured, read at these widths."""
        size = settled_size(len(done))
        key = tuple(r.number for r in done[:size])
        kept = self._kept.get(name)
        if kept is None or kept[0] != key:
            kept = (key, Surrogate.fitted(*self.examples(done[:size], target)))
            self._kept[name] = kept
        return kept[1].predict(*self.examples(done, target), self.branch.features(widths))

    def examples(self, done: Sequence[Record], target: Target) -> tuple[Floats, Floats]:
        """What there is to learn from: features (N, F) and targets (N,)."""
        learned = self.window(done)
        values = np.array([target(r) for r in learned])
        return self.branch.features(self.widths(learned)), values

    def survival(self, done: Sequence[Record], failed: Sequence[Record], widths: Ints) -> Floats:
        """How likely candidates (N, G) give a result, by which plans did, (N,)."""
        known = sorted([*done, *failed], key=lambda r: r.number)
        belief = self.modelled("result", lambda r: 1.0 if r.values else -1.0, known, widths)
        return normal_cdf(belief.mean / np.maximum(belief.std, 1e-9))

    def excess(self, widths: Ints) -> Floats:
        """By how much candidates (N, G) break the constraints on exact costs, 0 when all hold."""
        dense, found = self.goal.dense, np.zeros(len(widths))
        for constraint in self.goal.constraints:
            name = constraint.objective
            exact = self.branch.exact(name, widths)
            if exact is not None:
                values = (exact * dense[name]).tolist()
                found += np.maximum([constraint.violation({name: v}, dense) for v in values], 0.0)
        return found

    def chances(self, done: Sequence[Record], widths: Ints) -> Iterator[Floats]:
        """How likely candidates (N, G) satisfy each constraint on what is modelled, (N,)."""
        dense = self.goal.dense
        for constraint in self.goal.constraints:
            if not self.branch.is_exact(constraint.objective):
                sizes = abs(dense[constraint.objective]), abs(constraint.bound(dense))
                far = FAR * (max(sizes) or 1.0)

                def gap(record: Record, by: Constraint = constraint, far: float = far) -> float:
                    found = by.violation(record.values, dense)
                    return found if np.isfinite(found) else float(np.copysign(far, found))

                belief = self.modelled(str(constraint), gap, done, widths)
                yield normal_cdf(-belief.mean / np.maximum(belief.std, 1e-9))


def settled_size(count: int) -> int:
    """How many of ``count`` trials hyperparameters are chosen from.

    >>> [settled_size(n) for n in (4, 5, 9, 10)]
    [4, 5, 9, 10]
    """
    size = ENOUGH
    while (larger := max(size + 1, int(size * GROWTH))) <= count:
        size = larger
    return size
