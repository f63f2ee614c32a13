import pytest
import torch
from torch import Tensor, nn

from hierprune.errors import UsageError
from hierprune.objectives import runtime
from hierprune.objectives.base import Candidate
from hierprune.objectives.latency import Latency, LatencyOptions, PredictedLatency
from hierprune.objectives.latency_table import Layer, Row, shapes_of, table_of
from hierprune.objectives.runtime import Setting
from hierprune.objectives.timing import DRIFT
from hierprune.task import Task


class Clock:
    """Time that only passes while a model runs."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def perf_counter(self) -> float:
        return self.now

    thread_time = perf_counter

    def __deepcopy__(self, memo: object) -> "Clock":
        return self


class Timed(nn.Module):
    """Takes a known time; ``drift`` is added for every call of any model before it."""

    def __init__(self, clock: Clock, name: str, cost: float, drift: float = 0.0) -> None:
        super().__init__()
        self.clock, self.name, self.cost, self.drift = clock, name, cost, drift

    def forward(self, x: Tensor) -> Tensor:
        assert not self.training
        assert not torch.is_grad_enabled()
        self.clock.now += self.cost * (1 + self.drift * len(self.clock.calls))
        self.clock.calls.append(f"{self.name}{len(x)}")
        return x


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(runtime, "time", clock)
    return clock


def candidate(model: nn.Module, dense: nn.Module) -> Candidate:
    batches = [(torch.zeros(40, 3), torch.zeros(40))]
    return Candidate(model, dense, Task("toy", lambda: dense, [], batches, []))


def test_ratio_times_dense(clock: Clock):
    small, dense = Timed(clock, "small", 0.001), Timed(clock, "dense", 0.004)
    found = Latency(seconds=0.01)(candidate(small, dense))
    drift = 4**DRIFT
    assert (found.value, found.low, found.high) == pytest.approx((1.0, 1 / drift, drift))
    assert Latency(seconds=0.01)(candidate(dense, dense)).value == pytest.approx(4.0)
    assert small.training


def test_known_dense_time_is_not_measured(clock: Clock):
    small, dense = Timed(clock, "small", 0.001), Timed(clock, "dense", 0.004)
    found = Latency(seconds=0.01, dense_ms=100.0)(candidate(small, dense))
    assert found.value == pytest.approx(25.0)


def test_a_load_that_grows_meets_both(clock: Clock):
    small, dense = Timed(clock, "s", 0.001, 0.02), Timed(clock, "d", 0.002, 0.02)
    found = Latency(seconds=0.01, dense_ms=1.0)(candidate(small, dense))
    assert found.value == pytest.approx(0.5, rel=0.02)


def test_batch_is_the_head_of_val(clock: Clock):
    small, dense = Timed(clock, "s", 0.001), Timed(clock, "d", 0.001)
    for batch, size in ((8, "8"), (100, "40")):
        clock.calls.clear()
        Latency(Setting(batch=batch), seconds=0.01)(candidate(small, dense))
        assert {c[1:] for c in clock.calls} == {size}


@pytest.mark.parametrize("name", ["eager", "onnxruntime"])
def test_a_real_small_model_is_faster(name: str):
    small, dense = nn.Linear(3, 3), nn.Sequential(*[nn.Linear(3, 3) for _ in range(60)])
    found = Latency(Setting(name), seconds=0.05)(candidate(small, dense))
    assert found.low <= found.value <= found.high
    assert found.high < Latency(Setting(name), seconds=0.05)(candidate(dense, dense)).value


def test_a_predicted_latency_runs_nothing_and_has_an_interval(clock: Clock):
    dense = nn.Linear(8, 8)
    layers = [Layer("weight", (8, 8), 64)]
    rows = [Row({"weight": (w, 8)}, 0.1 + 0.9 * w / 8, 0.01) for w in range(1, 9)]
    objective = PredictedLatency(table_of(layers, rows), dense_ms=2.0)
    found = objective(candidate(nn.Linear(8, 4), dense))
    assert found.value == pytest.approx(2 * 0.55, rel=0.05)
    assert found.low <= found.value <= found.high
    assert objective(candidate(dense, dense)).value == 2.0
    assert clock.now == 0
    assert shapes_of(dense)["weight"] == (8, 8)


def test_options_survive_json():
    options = LatencyOptions("measured", Setting("onnxruntime", 2, 4, (3, 8, 8)))
    assert LatencyOptions.from_json(options.to_json()) == options


def test_unknown_words_are_refused():
    with pytest.raises(UsageError, match="no latency 'guessed'"):
        LatencyOptions("guessed")  # type: ignore[arg-type]
