"""Models of a front that cannot be told from cheaper ones."""

from hypothesis import given
from hypothesis import strategies as st

from hierprune.search.front import Axis
from hierprune.search.goal import Goal
from hierprune.search.history import Record
from hierprune.studies.doubt import doubtful

GOAL = Goal(
    (Axis("accuracy", "maximize", 0.9, 0.1), Axis("macs", "minimize", 1.0)),
    (),
    {"accuracy": 0.9, "macs": 1.0},
    {"accuracy": 0.1},
)


def model(number: int, accuracy: float, macs: float, half: float | None = 0.01) -> Record:
    values = {"accuracy": accuracy, "macs": macs}
    interval = {} if half is None else {"accuracy": (accuracy - half, accuracy + half)}
    return Record(number, 0, None, None, {}, values, interval, {}, {})


def test_a_model_within_noise_of_cheaper_ones_is_named_with_the_cheapest() -> None:
    front = [model(0, 0.9, 0.8), model(1, 0.896, 0.5), model(2, 0.891, 0.4), model(3, 0.7, 0.1)]
    assert doubtful(GOAL, front) == {0: 2, 1: 2}


def test_without_an_interval_nothing_is_doubted() -> None:
    front = [model(0, 0.9, 0.8, None), model(1, 0.8999, 0.5, None)]
    assert doubtful(GOAL, front) == {}


def test_a_dearer_model_is_no_reason_to_doubt_a_cheaper_one() -> None:
    assert doubtful(GOAL, [model(0, 0.90, 0.5), model(1, 0.91, 0.6, 0.001)]) == {}


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=8), st.floats(0, 0.3))
def test_the_cheapest_model_is_never_doubted(rows: list[tuple[int, int]], half: float) -> None:
    front = [model(i, a / 10, m / 10, half) for i, (a, m) in enumerate(rows)]
    least = min((r.values["macs"] for r in front), default=0)
    for number, other in doubtful(GOAL, front).items():
        assert front[number].values["macs"] > least
        assert front[other].values["macs"] < front[number].values["macs"]
