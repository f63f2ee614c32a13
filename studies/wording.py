"""Time in words."""

from __future__ import annotations

from itertools import dropwhile


def duration(seconds: float) -> str:
    """Time for people.

    >>> duration(0.024), duration(2.4), duration(75), duration(9000), duration(400000)
    ('24 ms', '2.4 s', '1 min 15 s', '2 h 30 min', '4 d 15 h')
    """
    if 0 < seconds < 0.95:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = zip((days, hours, minutes, rest), ("d", "h", "min", "s"), strict=True)
    first_two = list(dropwhile(lambda part: not part[0], parts))[:2]
    return " ".join(f"{count} {unit}" for count, unit in first_two if count)
