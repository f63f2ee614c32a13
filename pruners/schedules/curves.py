"""When units go while a model trains, and how fast it learns: curves over the run.

>>> gradual = Gradual(start=0.0, end=0.5)
>>> [round(gradual.density(done, final=0.1), 3) for done in (0.0, 0.1, 0.25, 0.5, 1.0)]
[1.0, 0.561, 0.213, 0.1, 0.1]
>>> [round(Iterative(rounds=2).density(done, final=0.25), 3) for done in (0.0, 0.4, 0.5, 0.9)]
[0.5, 0.5, 0.25, 0.25]
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ...errors import unknown
from ..training import schedule as one_cycle
from .choosers import Choice, Choosing, HardConcrete, Lasso, Movement, SoftThreshold


class Schedule(Protocol):
    """Pure functions of the share of the run that is done, in [0, 1]."""

    @property
    def choice(self) -> Choice | None:
        """How units are chosen by gradient before any go; ``None``: by the plan's criterion."""

    @property
    def remembered(self) -> float | None:
        """Share of the run whose weights the survivors go back to whenever units go."""

    @property
    def shared(self) -> bool:
        """Whether the units that stay are shared out among the groups anew at every update."""

    def density(self, done: float, final: float) -> float:
        """Share of a group's units that stay; never rises, and ``final`` by the end."""

    def rate(self, done: float) -> float:
        """Share of the highest learning rate, in (0, 1]; here ``done`` is above 0."""

    def regrown(self, done: float) -> float:
        """Share of the weights kept that are exchanged for zeroed ones at an update."""

    def aim(self, done: float, final: float) -> float:
        """Density that the choice is made for; what has gone is :meth:`density`."""


@dataclass(frozen=True)
class OneShot:
    """Everything goes at once; then the model trains.

    Attributes:
        warmup: share of the run in which the learning rate rises.
    """

    warmup: float = 0.15

    @property
    def choice(self) -> Choice | None:
        """See :class:`Schedule`."""
        return None

    @property
    def remembered(self) -> float | None:
        """See :class:`Schedule`."""
        return None

    @property
    def shared(self) -> bool:
        """See :class:`Schedule`."""
        return False

    def density(self, done: float, final: float) -> float:
        """See :class:`Schedule`."""
        return final

    def aim(self, done: float, final: float) -> float:
        """See :class:`Schedule`."""
        return self.density(done, final)

    def rate(self, done: float) -> float:
        """See :class:`Schedule`."""
        return one_cycle(done, self.warmup)

    def regrown(self, done: float) -> float:
        """See :class:`Schedule`."""
        return 0.0


@dataclass(frozen=True)
class Gradual(OneShot):
    """Much goes early, little late: the cubic of Zhu & Gupta 2017, eq. (1), arXiv:1710.01878.

    Attributes:
        start: share of the run at which pruning begins.
        end: share of the run at which it has ended; the rest trains at the final density.
    """

    warmup: float = 0.1
    start: float = 0.05
    end: float = 0.6

    def density(self, done: float, final: float) -> float:
        """See :class:`Schedule`."""
        ahead = 1 - (done - self.start) / (self.end - self.start)
        return final + (1 - final) * min(1.0, max(0.0, ahead)) ** 3


@dataclass(frozen=True)
class Global(Gradual):
    """As :class:`Gradual`; single weights compete across groups, by LAMP, as they have become.

    The plan's number of weights is met exactly, its split over the groups found on the way. Lee et
    al. 2021, arXiv:2010.07611. Structures and other patterns go as the plan says.
    """

    @property
    def shared(self) -> bool:
        """See :class:`Schedule`."""
        return True


@dataclass(frozen=True)
class Iterative(OneShot):
    """Prune, train, and again: Han et al. 2015, arXiv:1506.02626.

    Every round removes the same share of what is left and trains under a learning rate that starts
    anew (rewinding of the rate: Renda et al. 2020, arXiv:2003.02389).

    Attributes:
        rounds: how many.
    """

    rounds: int = 4

    def density(self, done: float, final: float) -> float:
        """See :class:`Schedule`."""
        begun = min(self.rounds, math.floor(done * self.rounds) + 1)
        return float(final ** (begun / self.rounds))

    def rate(self, done: float) -> float:
        """See :class:`Schedule`."""
        rounds = done * self.rounds
        return one_cycle(rounds - (math.ceil(rounds) - 1), self.warmup)


@dataclass(frozen=True)
class RigL(OneShot):
    """Small weights make room for zeroed ones of large gradient: arXiv:1911.11134.

    The density is the final one throughout. Structures that were cut do not grow back: for them it
    is the same as :class:`OneShot`.

    Attributes:
        share: of the weights exchanged at the first update; it falls as a cosine.
        end: share of the run after which nothing is exchanged.
    """

    share: float = 0.3
    end: float = 0.75

    def regrown(self, done: float) -> float:
        """See :class:`Schedule`; eq. (1) of the paper."""
        return self.share / 2 * (1 + math.cos(math.pi * min(1.0, done / self.end)))


@dataclass(frozen=True)
class Rewound(Iterative):
    """Lottery tickets: who survives a round goes back to the weights of early in the first one.

    Frankle et al. 2020, arXiv:1912.05671 (iterative pruning with rewinding). The first round
    trains the dense model; every later one begins with a part of it gone.

    Attributes:
        to: share of the run whose weights are gone back to; within the first round.
    """

    to: float = 0.05

    @property
    def remembered(self) -> float:
        """See :class:`Schedule`."""
        return self.to

    def density(self, done: float, final: float) -> float:
        """See :class:`Schedule`."""
        begun = min(self.rounds - 1, math.floor(done * self.rounds))
        return float(final ** (begun / (self.rounds - 1)))


@dataclass(frozen=True)
class Chosen(OneShot):
    """The dense model trains with a choice being made; then units go at once, and the rest trains.

    Attributes:
        choosing: see :class:`Choice`.
        scales: see :class:`Choice`.
        until: share of the run in which the choice is made.
    """

    choosing: Choosing = HardConcrete
    scales: bool = False
    until: float = 0.5

    @property
    def choice(self) -> Choice:
        """See :class:`Schedule`."""
        return Choice(self.choosing, self.scales)

    def density(self, done: float, final: float) -> float:
        """See :class:`Schedule`."""
        return 1.0 if done < self.until else final

    def rate(self, done: float) -> float:
        """See :class:`Schedule`; rises anew once units went."""
        chosen = done <= self.until
        share = done / self.until if chosen else (done - self.until) / (1 - self.until)
        return one_cycle(share, self.warmup)

    def aim(self, done: float, final: float) -> float:
        """See :class:`Schedule`: a cubic that is there at three quarters of the choice."""
        ahead = max(0.0, 1 - done / (0.75 * self.until))
        return final + (1 - final) * ahead**3


SCHEDULES: Mapping[str, Schedule] = {
    "oneshot": OneShot(),
    "gradual": Gradual(),
    "global": Global(),
    "iterative": Iterative(),
    "rigl": RigL(),
    "rewind": Rewound(),
    "movement": Chosen(choosing=Movement),
    "l0": Chosen(choosing=HardConcrete),
    "soft": Chosen(choosing=SoftThreshold),
    "lasso": Chosen(choosing=Lasso),
    "slimming": Chosen(choosing=Lasso, scales=True),
}


def schedule(name: str) -> Schedule:
    """The schedule of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in SCHEDULES:
        raise unknown("schedule", name, SCHEDULES)
    return SCHEDULES[name]
