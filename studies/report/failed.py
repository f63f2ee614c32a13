"""Failures by their last line, and layers that stay by their reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from ...pruners.tree import ModelTree

NUMBERS = 12


@dataclass(frozen=True)
class Failures:
    """Trials that failed in the same way.

    Attributes:
        line: the last one of their errors.
        kind: of the first one; see :class:`~hierprune.studies.trial.Outcome`.
        trials: their numbers.
        error: of the first one, whole.
    """

    line: str
    kind: str
    trials: tuple[int, ...]
    error: str

    @property
    def numbers(self) -> str:
        """Their numbers, the first few."""
        more = f" and {len(self.trials) - NUMBERS} more" if len(self.trials) > NUMBERS else ""
        return ", ".join(map(str, self.trials[:NUMBERS])) + more


def grouped(failed: Sequence[FrozenTrial]) -> list[Failures]:
    """Failures by the last line of their error, the most frequent first."""
    groups: dict[str, list[FrozenTrial]] = defaultdict(list)
    for trial in sorted(failed, key=lambda t: t.number):
        groups[last_line(error_of(trial))].append(trial)
    found = [
        Failures(line, kind_of(same[0]), tuple(t.number for t in same), error_of(same[0]))
        for line, same in groups.items()
    ]
    return sorted(found, key=lambda f: (-len(f.trials), f.trials[0]))


def error_of(trial: FrozenTrial) -> str:
    """What the trial left."""
    return str((trial.user_attrs.get("outcome") or {}).get("error") or "no error was recorded")


def kind_of(trial: FrozenTrial) -> str:
    """How it failed."""
    return str((trial.user_attrs.get("outcome") or {}).get("kind", ""))


def last_line(error: str) -> str:
    """The last line that is not empty."""
    return error.strip().splitlines()[-1].strip()


def excluded(tree: ModelTree | None) -> list[tuple[str, list[str]]]:
    """Layers that keep their width by the reason, the most frequent first."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for item in tree.excluded if tree else ():
        reasons[item.reason].append(item.name)
    return sorted(reasons.items(), key=lambda pair: -len(pair[1]))
