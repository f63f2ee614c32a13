"""Time in words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hierprune.studies.wording import duration


@given(st.integers(60, 10**7))
def test_durations_are_off_by_less_than_their_last_unit(seconds: int) -> None:
    size = {"d": 86400, "h": 3600, "min": 60, "s": 1}
    words = duration(seconds).split()
    total = sum(int(n) * size[u] for n, u in zip(words[::2], words[1::2], strict=True))
    assert 0 <= seconds - total < 3600
    assert len(words) <= 4


@given(st.floats(1e-3, 59.9))
def test_short_times_keep_two_digits(seconds: float) -> None:
    number, unit = duration(seconds).split()
    assert abs(float(number) * {"ms": 1e-3, "s": 1}[unit] - seconds) <= 0.053 * max(seconds, 1e-2)
