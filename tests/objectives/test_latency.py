import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from hierprune.objectives import latency as latency_module
from hierprune.objectives.base import Candidate
from hierprune.objectives.latency import Latency, ratio_interval
from hierprune.task import Task


class Clock:
    """Time that only passes while a model runs."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def perf_counter(self) -> float:
        return self.now


class Timed(nn.Module):
    """Takes a known time; ``drift`` is added for every call of any model before it."""

    def __init__(self, clock: Clock, name: str, cost: float, drift: float = 0.0) -> None:
        super().__init__()
        self.clock, self.name, self.cost, self.drift = clock, name, cost, drift
        self.sizes: set[int] = set()

    def forward(self, x: Tensor) -> Tensor:
        assert not self.training
        assert not torch.is_grad_enabled()
        self.sizes.add(len(x))
        self.clock.now += self.cost * (1 + self.drift * len(self.clock.calls))
        self.clock.calls.append(self.name)
        return x


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(latency_module, "time", clock)
    return clock


def candidate(model: nn.Module, dense: nn.Module) -> Candidate:
    batches = [(torch.zeros(40, 3), torch.zeros(40))]
    return Candidate(model, dense, Task("toy", lambda: dense, [], batches, []))


def test_ratio_times_dense(clock: Clock):
    small, dense = Timed(clock, "small", 0.001), Timed(clock, "dense", 0.004)
    found = Latency()(candidate(small, dense))
    assert found.value == pytest.approx(1.0)
    assert (found.low, found.high) == (pytest.approx(1.0), pytest.approx(1.0))
    assert Latency()(candidate(dense, dense)).value == pytest.approx(4.0)
    assert small.sizes == {1}


def test_known_dense_time_is_not_measured(clock: Clock):
    small, dense = Timed(clock, "small", 0.001), Timed(clock, "dense", 0.004)
    assert Latency(dense_ms=100.0)(candidate(small, dense)).value == pytest.approx(25.0)


def test_models_run_in_turns_whose_order_changes(clock: Clock):
    small, dense = Timed(clock, "s", 0.001), Timed(clock, "d", 0.001)
    Latency(dense_ms=1.0, rounds=4)(candidate(small, dense))
    assert "".join(clock.calls[-8:]) == "dssddssd"


def test_a_load_that_grows_meets_both(clock: Clock):
    small, dense = Timed(clock, "s", 0.001, 0.02), Timed(clock, "d", 0.002, 0.02)
    assert Latency(dense_ms=1.0)(candidate(small, dense)).value == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize(("cost", "rounds"), [(0.0001, 50), (0.005, 15), (10.0, 3)])
def test_rounds_follow_the_budget(clock: Clock, cost: float, rounds: int):
    small, dense = Timed(clock, "s", cost), Timed(clock, "d", cost)
    Latency(dense_ms=1.0)(candidate(small, dense))
    assert len(clock.calls) == 2 * (rounds + latency_module.WARM_UP)


def test_dense_is_timed_once(clock: Clock):
    dense = Timed(clock, "d", 0.001)
    Latency()(candidate(Timed(clock, "s", 0.001), dense))
    first = clock.calls.count("d")
    Latency()(candidate(Timed(clock, "s", 0.001), dense))
    assert clock.calls.count("d") - first < first


def test_real_models():
    small, dense = nn.Linear(3, 3).train(), nn.Sequential(*[nn.Linear(3, 3) for _ in range(40)])
    found = Latency(rounds=10)(candidate(small, dense))
    reference = Latency(rounds=10)(candidate(dense, dense))
    assert found.low <= found.value <= found.high
    assert found.value < reference.value
    assert small.training


def test_batch_is_the_head_of_val(clock: Clock):
    small, dense = Timed(clock, "s", 0.001), Timed(clock, "d", 0.001)
    for batch, size in ((8, 8), (100, 40)):
        small.sizes.clear()
        Latency(batch=batch)(candidate(small, dense))
        assert small.sizes == {size}


pairs = st.tuples(st.floats(0.1, 10), st.floats(0.1, 10))


@given(st.lists(pairs, min_size=3, max_size=50))
def test_interval_holds_the_ratio_and_is_the_same_every_time(times: list[tuple[float, float]]):
    found = ratio_interval(np.array(times), scale=2.0)
    assert 0 < found.low <= found.value <= found.high
    assert found == ratio_interval(np.array(times), scale=2.0)


@given(st.floats(0.1, 10), st.integers(3, 50))
def test_proportional_times_give_their_ratio_exactly(ratio: float, rounds: int):
    dense = np.random.default_rng(rounds).uniform(1, 5, rounds)
    found = ratio_interval(np.stack([ratio * dense, dense], axis=1), scale=1.0)
    assert (found.low, found.value, found.high) == pytest.approx((ratio,) * 3)


def test_disturbed_rounds_do_not_count():
    times = np.tile([1.0, 2.0], (50, 1))
    times[:30] *= np.random.default_rng(0).uniform(1, 50, (30, 2))
    found = ratio_interval(times, scale=1.0)
    assert (found.low, found.value, found.high) == (0.5, 0.5, 0.5)
