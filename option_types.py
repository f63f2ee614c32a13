"""What words on the command line mean: time spans, names, sizes, numbers to try."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click

from .errors import UsageError
from .search.span import Numbers, Span, numbers

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(value: str | float) -> float:
    """Seconds of a time span: ``90s``, ``30m``, ``2h``, ``1d``; a bare number is seconds.

    >>> duration("1.5m")
    90.0
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", str(value).strip())
    if match is None or float(match[1]) == 0:
        raise click.BadParameter(f"{value!r} is no time span; write 90s, 30m, 2h or 1d")
    return float(match[1]) * SECONDS[match[2] or "s"]


def amounts(value: str) -> dict[str, float]:
    """Numbers by name, separated by commas.

    >>> amounts("cpu=4, gpu=0.5")
    {'cpu': 4.0, 'gpu': 0.5}
    """
    parts = [part.partition("=") for part in value.split(",")]
    try:
        return {name.strip(): float(number) for name, _, number in parts}
    except ValueError:
        raise click.BadParameter(f"{value!r} must look like cpu=4,gpu=0.5") from None


def names(value: str | Sequence[str]) -> tuple[str, ...]:
    """Names separated by commas, each once.

    >>> names("channel, weight")
    ('channel', 'weight')
    """
    parts = value.split(",") if isinstance(value, str) else list(value)
    found = tuple(dict.fromkeys(str(n).strip() for n in parts if str(n).strip()))
    if not found:
        raise click.BadParameter("needs at least one name")
    return found


def sizes(value: str | Sequence[int]) -> tuple[int, ...]:
    """Sizes separated by commas.

    >>> sizes("3,32,32")
    (3, 32, 32)
    """
    parts = value.split(",") if isinstance(value, str) else value
    try:
        found = tuple(int(n) for n in parts)
    except ValueError:
        found = (0,)
    if min(found, default=0) < 1:
        raise click.BadParameter(f"{value!r} is no shape; write 3,32,32")
    return found


def span(value: str | float | Sequence[float] | Span) -> Numbers:
    """Numbers to try: ``1e-4..3e-3``, ``0,0.3``, or one; see :func:`~.search.span.numbers`."""
    try:
        return numbers(value)
    except UsageError as error:
        raise click.BadParameter(str(error)) from None
