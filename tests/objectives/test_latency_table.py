import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierprune.objectives.latency_table import LatencyTable, Layer, Row, table_of, up, work

LAYERS = (Layer("a.weight", (32, 3, 3, 3), 1000), Layer("b.weight", (64, 32, 3, 3), 9000))


def shapes(a: int, b: int) -> dict[str, tuple[int, ...]]:
    return {"a.weight": (a, 3, 3, 3), "b.weight": (b, a, 3, 3)}


def truth(a: int, b: int) -> float:
    """A fixed cost, and convolutions on 8 lanes."""
    one, other = up(np.array([a, b]), 8)
    return float(0.2 + 0.1 * one / 32 + 0.7 * one * other / 32 / 64)


def rows(count: int, seed: int, noise: float) -> list[Row]:
    draw = np.random.default_rng(seed)
    widths = [(int(draw.integers(1, 33)), int(draw.integers(1, 65))) for _ in range(count)]
    return [
        Row(shapes(a, b), truth(a, b) * float(np.exp(draw.normal(0, noise))), noise)
        for a, b in widths
    ]


def test_steps_of_the_hardware_are_learnt_from_few_rows():
    table = table_of(LAYERS, rows(30, seed=0, noise=0.01))
    wrong = [abs(table.predict(r.shapes).value / r.ratio - 1) for r in rows(100, 1, 0.0)]
    assert np.median(wrong) < 0.02
    assert table.error < 0.03


def test_the_error_on_held_out_rows_is_honest():
    draw = np.random.default_rng(7)
    noise = [Row(r.shapes, float(draw.uniform(0.2, 1.0)), 0.01) for r in rows(40, 0, 0.0)]
    table = table_of(LAYERS, noise)
    assert table.error > 0.15
    found = table.predict(shapes(16, 16))
    assert found.high / found.low > 1.5


def test_the_dense_model_takes_the_dense_time_and_a_wider_one_no_less():
    table = table_of(LAYERS, rows(30, 0, 0.05))
    assert table.predict(shapes(32, 64)).value == 1.0
    assert table.predict(shapes(8, 8)).value <= table.predict(shapes(9, 8)).value


def test_a_layer_that_is_gone_costs_nothing():
    table = table_of(LAYERS, rows(30, 0, 0.01))
    alone = {"a.weight": (32, 3, 3, 3)}
    assert work(table.sizes(alone)[None], table.dense, 8).tolist() == [[1, 0]]
    assert table.predict(alone).value < table.predict(shapes(32, 64)).value


@given(st.integers(1, 64), st.sampled_from([1, 8, 16]))
def test_work_is_a_share(width: int, align: int):
    table = table_of(LAYERS, [])
    share = work(table.sizes(shapes(32, width))[None], table.dense, align)[0, 1]
    assert 0 < share <= 1
    assert share >= width / 64 - 1e-12


def test_layers_without_work_and_other_parameters_are_left_out():
    found = table_of((*LAYERS, Layer("bias", (3,), 0)), [Row({"bias": (2,)}, 0.5, 0.1)])
    assert found.layers == LAYERS
    assert found.rows == (Row({}, 0.5, 0.1),)


def test_json_round_trip():
    table = table_of(LAYERS, rows(12, 0, 0.01))
    again = LatencyTable.from_json(table.to_json())
    assert again.rows == table.rows
    assert again.predict(shapes(5, 7)).value == pytest.approx(table.predict(shapes(5, 7)).value)
