"""The errors that callers tell apart, and the one way to name an unknown thing."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """What the user gave cannot work. Raised before any work; the command line exits with 2."""


class NoModelError(RuntimeError):
    """No finished trial satisfies the constraints. The command line exits with 3."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that is not among ``known``, with the nearest one offered.

    >>> print(unknown("task", "lenet5-mist", ["lenet5-mnist", "other"]))
    no task 'lenet5-mist' (did you mean 'lenet5-mnist'?); known: lenet5-mnist, other
    """
    names = sorted(known)
    hint = nearest(name, names)
    return UsageError(f"no {kind} {name!r}{hint}; known: {', '.join(names) or 'none'}")


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that was meant, as a question; empty where none is near."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""
