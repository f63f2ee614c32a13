"""What a model must satisfy: one objective compared with a number or with the dense model.

>>> rule = Constraint.parse("accuracy >= dense - 0.01")
>>> rule.holds({"accuracy": 0.985}, {"accuracy": 0.99})
True
>>> rule.holds({"accuracy": 0.975}, {"accuracy": 0.99})
False
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import UsageError, unknown

Operator = Literal["<=", ">=", "<", ">"]

GRAMMAR = (
    "a constraint is OBJECTIVE <=|>=|<|> BOUND, where BOUND is a number, 'dense', "
    "'dense * NUMBER', 'dense + NUMBER' or 'dense - NUMBER'; "
    "for example 'accuracy >= dense - 0.01'"
)

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_CONSTRAINT = re.compile(
    rf"\s*(?P<objective>[^\W\d][\w.-]*)\s*(?P<operator>[<>]=?)\s*"
    rf"(?:(?P<number>{_NUMBER})|dense(?:\s*(?P<sign>[*+-])\s*(?P<change>{_NUMBER}))?)\s*"
)


@dataclass(frozen=True)
class Constraint:
    """``objective operator factor * dense + offset``.

    Attributes:
        objective: name of the objective that is bounded.
        operator: how its value must compare with the bound.
        factor: of the dense model's value in the bound; 0 for a plain number.
        offset: added to that.
    """

    objective: str
    operator: Operator
    factor: float
    offset: float

    @classmethod
    def parse(cls, text: str, known: Collection[str] | None = None) -> Constraint:
        """The constraint that ``text`` says; ``known`` are the names that it may use.

        Raises:
            UsageError: it is none, or its objective is not among ``known``.
        """
        match = _CONSTRAINT.fullmatch(text)
        if match is None:
            raise UsageError(f"cannot read the constraint {text!r}: {GRAMMAR}")
        name, operator, number, sign, change = match.groups()
        if known is not None and name not in known:
            raise UsageError(f"in the constraint {text!r}: {unknown('objective', name, known)}")
        if number is not None:
            return cls(name, operator, 0.0, float(number))  # type: ignore[arg-type]
        amount = float(change or 0)
        factor = amount if sign == "*" else 1.0
        offset = {"+": amount, "-": -amount}.get(sign, 0.0)
        return cls(name, operator, factor, offset)  # type: ignore[arg-type]

    def __str__(self) -> str:
        return f"{self.objective} {self.operator} {self._bound_text()}"

    def bound(self, dense: Mapping[str, float]) -> float:
        """The number that the objective is compared with, given the dense model's values."""
        if not self.factor:
            return self.offset
        return self.factor * dense[self.objective] + self.offset

    def holds(self, values: Mapping[str, float], dense: Mapping[str, float]) -> bool:
        """Whether a model with these values satisfies it, given the dense model's values."""
        return self.violation(values, dense) <= 0

    def violation(self, values: Mapping[str, float], dense: Mapping[str, float]) -> float:
        """How far a model is beyond the bound, in the objective's unit; at most 0 when it holds.

        Differences below 1e-9 of the bound are rounding and count as equality. A value that is
        not a number violates infinitely.
        """
        value, bound = values[self.objective], self.bound(dense)
        if math.isnan(value):
            return math.inf
        gap = bound - value if self.operator.startswith(">") else value - bound
        if math.isclose(value, bound, rel_tol=1e-9):
            gap = 0.0
        strict = self.operator in ("<", ">")
        return math.ulp(0.0) if strict and gap == 0 else gap

    def _bound_text(self) -> str:
        """The bound as :meth:`parse` reads it."""
        if self.factor == 0:
            return f"{self.offset!r}"
        if self.factor != 1:
            return f"dense * {self.factor!r}"
        if not self.offset:
            return "dense"
        return f"dense {'-' if self.offset < 0 else '+'} {abs(self.offset)!r}"


_AND = re.compile(r"\s+and\s+")


def conjunction(text: str, known: Collection[str] | None = None) -> tuple[Constraint, ...]:
    """The constraints of a text that joins them by ``and``; none of an empty text.

    >>> [str(rule) for rule in conjunction("accuracy >= dense and macs <= 0.5")]
    ['accuracy >= dense', 'macs <= 0.5']

    Raises:
        UsageError: a part is no constraint, or its objective is not among ``known``.
    """
    parts = _AND.split(text.strip()) if text.strip() else []
    return tuple(Constraint.parse(part, known) for part in parts)
