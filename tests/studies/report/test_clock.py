import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierprune.studies.report.clock import Clock, union_until
from hierprune.studies.report.view import View

spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=12).map(
    lambda pairs: sorted(((s, s + d) for s, d in pairs), key=lambda span: span[1])
)


@given(spans)
def test_union_counts_every_second_once(spans):
    for i, length in enumerate(union_until(spans)):
        covered = {second for start, end in spans[: i + 1] for second in range(start, end)}
        assert length == len(covered)


def test_pauses_and_trials_side_by_side(make_study):
    clock = View.of(make_study(trials=10, failures=0)).clock
    assert clock.work == pytest.approx(10 * 3)
    assert clock.total == pytest.approx(3 + 9 * 2)  # one every 2 s, each 3 s long
    assert list(clock.elapsed) == sorted(clock.elapsed)
    assert clock.elapsed[-1] == clock.total


def test_a_trial_whose_process_died_costs_no_time(make_study):
    trials = make_study(trials=5, failures=0).frozen()
    before = Clock.of(trials)
    trials[-1].user_attrs["outcome"]["kind"] = "died"
    assert Clock.of(trials).total == pytest.approx(before.total - 2)
    assert Clock.of([]) == Clock((), 0.0, 0.0)
