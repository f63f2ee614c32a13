"""What a strategy hands over: one plan to try, and the parameters it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from ..pruners.plan import PruningPlan


@dataclass(frozen=True)
class Proposal:
    """A plan to try next.

    Attributes:
        params: as Optuna stores them; the names are those of ``distributions``.
        distributions: where each parameter was drawn from.
        plan: what the parameters mean.
        rung: 0 for a new plan; above, a further trial of the plan of ``parent``.
        parent: number of the finished trial one rung below.
        sampler: what the sampler wants to find again on this trial, plain JSON data.
    """

    params: Mapping[str, Any]
    distributions: Mapping[str, BaseDistribution]
    plan: PruningPlan
    rung: int = 0
    parent: int | None = None
    sampler: Mapping[str, Any] = field(default_factory=dict)


Propose = Callable[[Sequence[FrozenTrial], bool], Proposal | None]
"""``propose(trials, fresh)``: all trials of the study by number (shared, not to be changed) and
whether the budget allows a new plan; gives a proposal, or None when there is nothing to start now.
Without ``fresh`` only rungs above 0 may be proposed."""
