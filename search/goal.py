"""What a study is after: objectives, constraints, and the dense model they are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..objectives.constraint import Constraint
from .front import Axis

FULL = 0.95
"""Least part of an allowed cost that plans use where nothing asks for less."""


@dataclass(frozen=True)
class Goal:
    """Objectives as axes, constraints, and the dense model's values.

    Attributes:
        axes: the objectives, in order.
        constraints: that the picked model should satisfy.
        dense: everything measured on the dense model, by name.
        qualities: values of guessing, by the names among ``dense`` that training can improve; the
            others are costs.
    """

    axes: tuple[Axis, ...]
    constraints: tuple[Constraint, ...]
    dense: Mapping[str, float]
    qualities: Mapping[str, float]

    @property
    def quality(self) -> Axis:
        """The first objective that training can improve; without one, the loss."""
        found = [a for a in self.axes if a.guess is not None]
        return found[0] if found else Axis("loss", "minimize", self.dense["loss"])

    @property
    def one_quality(self) -> bool:
        """Whether a single objective is all, and training can improve it."""
        return [axis.guess is not None for axis in self.axes] == [True]

    @property
    def sought(self) -> Goal:
        """What plans are compared by while searching: where accuracy is all, by their loss.

        Such plans cost about the same, so that accuracies differ by less than their noise. Of 12
        ResNet-20 at three quarters of the multiply-accumulates the most accurate on 1,000 samples
        had 0.911 on 4,000 others, the one of the least loss 0.918.
        """
        if [axis.name for axis in self.axes] != ["accuracy"] or "loss" not in self.qualities:
            return self
        loss = Axis("loss", "minimize", self.dense["loss"], self.qualities["loss"])
        return replace(self, axes=(loss,))

    def violation(self, values: Mapping[str, float], *, costs_only: bool = False) -> float:
        """Sum of the constraints' violations, 0 when all hold."""
        chosen = [c for c in self.constraints if not (costs_only and c.objective in self.qualities)]
        return sum(max(0.0, c.violation(values, self.dense)) for c in chosen)

    def bounds(self, budget: str) -> tuple[float, float]:
        """Shares of the dense cost between which it is worth looking, in [0, 1].

        The constraints set the upper one. Where no objective is a cost, and no other cost has a
        bound, plans that leave much of what they may use unused are not worth a trial.

        Args:
            budget: the cost, an exact one.
        """
        found = [c for c in self.constraints if c.objective == budget and "<" in c.operator]
        if not found:
            return 0.0, 1.0
        high = min(1.0, *(c.bound(self.dense) / self.dense[budget] for c in found))
        bounded = {c.objective for c in self.constraints} - self.qualities.keys()
        alone = bounded == {budget} and all(axis.guess is not None for axis in self.axes)
        return FULL * high if alone else 0.0, high
