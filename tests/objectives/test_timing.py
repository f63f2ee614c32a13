import math
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hierprune.objectives.runtime import Setting
from hierprune.objectives.timing import (
    DRIFT,
    FEWEST,
    HOLES,
    LARGEST_HOLE,
    LEVEL,
    ROUNDS,
    compare,
    half_width,
    holes,
    median_interval,
    of_blocks,
    outside,
    ratio,
    turns,
)


@given(st.integers(FEWEST, 300))
def test_the_interval_covers_the_median_and_no_narrower_one_does(n: int):
    def missed(k: int) -> float:
        return 2 * sum(math.comb(n, i) for i in range(k)) / 2**n

    k = outside(n) + 1  # the k-th smallest and largest bound it
    assert missed(k) <= 1 - LEVEL < missed(k + 1)


@given(st.lists(st.floats(0.1, 10), min_size=FEWEST, max_size=50))
def test_the_median_is_inside_its_interval(values: list[float]):
    found = median_interval(np.array(values))
    assert min(values) <= found.low <= found.value <= found.high <= max(values)


def test_equal_models_under_any_load_are_rarely_called_different():
    draw = np.random.default_rng(0)
    misses = 0
    for _ in range(1000):
        times = draw.pareto(0.8, (draw.integers(7, 40), 2)) + 1  # no mean, no variance
        found = ratio(times)
        misses += not found.low <= 1 <= found.high
    assert misses <= 30


def test_proportional_times_give_their_ratio_exactly():
    dense = np.random.default_rng(0).uniform(1, 5, 20)
    found = of_blocks(np.stack([0.3 * dense, dense], axis=1))
    assert (found.low, found.value, found.high) == pytest.approx((0.3,) * 3)
    assert half_width(found) == pytest.approx(0)


@given(st.floats(0.05, 2.0), st.floats(0, 0.1))
def test_the_interval_holds_that_of_the_blocks_and_what_a_machine_may_do(value, noise):
    draw = np.random.default_rng(0)
    times = np.stack([value * np.exp(draw.normal(0, noise, 20)), np.ones(20)], axis=1)
    now, found = of_blocks(times), ratio(times)
    edge = 1 + 1e-9
    assert found.value == now.value
    assert found.low <= now.low * edge
    assert found.high >= now.high / edge
    if abs(now.value - 1) > 0.01:
        assert found.high / found.low > math.exp(2 * DRIFT * abs(math.log(now.value))) / edge


def test_models_take_turns_whose_order_changes_and_are_opened_anew_in_every_block():
    calls: list[str] = []

    def opener(name: str):
        def opened():
            calls.append(name.upper())
            return lambda: calls.append(name) or 1.0

        return opened

    blocks = turns((opener("m"), opener("d")), 8.0, reopen=True)
    for _ in range(2):
        assert next(blocks) == (1.0, 1.0)
    block = "MD" + "mdmd" + "dmmd" * (ROUNDS // 2)
    assert "".join(calls) == block + block.translate(str.maketrans("MDmd", "DMdm"))


def test_blocks_stop_when_the_interval_is_narrow_or_the_time_is_up():
    model, x = nn.Linear(4, 4), torch.zeros(1, 4)
    assert len(compare(Setting(), model, model, x, seconds=1e-9)) == FEWEST
    assert len(compare(Setting(), model, model, x, seconds=30, narrow=10.0)) == 2 * FEWEST


def test_threads_and_modes_are_as_before():
    torch.set_num_threads(1)
    model = nn.Linear(4, 4).train()
    compare(Setting(threads=2), model, model, torch.zeros(1, 4), seconds=1e-9)
    assert torch.get_num_threads() == 1
    assert model.training


def test_what_is_slow_to_open_is_opened_once():
    opened: list[str] = []

    def slow():
        opened.append("")
        time.sleep(0.02)
        return lambda: 1.0

    blocks = turns((slow, slow), 0.1, reopen=True)
    assert [next(blocks) for _ in range(3)] == [(1.0, 1.0)] * 3
    assert len(opened) == 2


def test_memory_before_an_opening_differs_in_size():
    draw = np.random.default_rng(0)
    sizes = [sum(map(len, holes(draw))) for _ in range(9)]
    assert len(set(sizes)) == 9
    assert max(sizes) < HOLES * 2**LARGEST_HOLE
