"""One function per family of ATen operations, found by the operation's name."""

from __future__ import annotations

from collections.abc import Callable

from ..labels import Layers
from .state import Call, TraceState

Rule = Callable[[TraceState, Call], list[Layers]]
"""Layers of every result of one call; ties and fixes units on the way."""

RULES: dict[str, Rule] = {}


class UnknownCaseError(Exception):
    """A rule does not cover this call; everything that enters it is fixed."""


def rule(names: str) -> Callable[[Rule], Rule]:
    """Register a rule for operations named without overload, separated by blanks."""

    def register(function: Rule) -> Rule:
        for name in names.split():
            assert name not in RULES, f"two rules for {name}"
            RULES[name] = function
        return function

    return register
