"""Latency of widths that no model was built for, as a trial of theirs would say it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hierprune.examples.lenet.model import LeNet5
from hierprune.examples.resnet.model import ResNet20
from hierprune.objectives.latency import Latency, PredictedLatency
from hierprune.objectives.latency_table import Layer, Row, shapes_of, table_of
from hierprune.pruners.cost import CostModel
from hierprune.pruners.prune import shrink
from hierprune.pruners.tree import ModelTree
from hierprune.pruners.tree_cache import find_tree
from hierprune.studies.latency import forecasts, random_widths


class Listener(nn.Module):
    """A recurrent layer and a grouped convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.ears = nn.Conv1d(4, 12, 3, groups=2, padding=1)
        self.memory = nn.LSTM(12, 10, batch_first=True)
        self.answer = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Answers from the last step."""
        seen: Tensor = self.memory(self.ears(x).relu().transpose(1, 2))[0]
        answer: Tensor = self.answer(seen[:, -1])
        return answer


IMAGE = torch.zeros(1, 1, 28, 28)


def objective(tree: ModelTree) -> PredictedLatency:
    """A table in which every layer has a weight of its own."""
    layers = [Layer(t.name, t.shape, t.macs) for t in tree.tensors]
    draw, rows = np.random.default_rng(0), []
    for _ in range(60):
        kept = {t.name: tuple(int(draw.integers(1, s + 1)) for s in t.shape) for t in layers}
        rows.append(Row(kept, float(draw.uniform(0.2, 1.0)), 0.01))
    return PredictedLatency(table_of(layers, rows), dense_ms=2.0)


@pytest.mark.parametrize(
    ("build", "x", "granularity"),
    [
        (LeNet5, IMAGE, "channel"),
        (ResNet20, IMAGE, "channel"),
        (ResNet20, IMAGE, "block"),
        (Listener, torch.zeros(1, 4, 9), "channel"),
    ],
)
def test_a_forecast_is_the_prediction_of_the_cut_model(
    build: Callable[[], nn.Module], x: Tensor, granularity: str
) -> None:
    model = build().eval()
    tree = find_tree(model, x)
    known, cost = objective(tree), CostModel.of(tree, granularity)
    forecast = forecasts([known], tree, granularity, cost)[Latency.name]
    draw = np.random.default_rng(1)
    widths = np.array([random_widths(cost, draw, place / 8) for place in range(8)])
    found = forecast(widths)
    for row, value in zip(widths, found, strict=True):
        kept = zip(tree.units(granularity), row.tolist(), strict=True)
        cut = shrink(model, tree, granularity, {g.name: tuple(range(w)) for g, w in kept})
        assert value == pytest.approx(known.table.predict(shapes_of(cut)).value, rel=1e-9)
    assert len(set(found.round(9))) > 3
    assert forecast(cost.widths[None]).tolist() == [1.0]


def test_zeroed_weights_take_the_dense_time() -> None:
    tree = find_tree(LeNet5().eval(), IMAGE)
    cost = CostModel.of(tree, "weight")
    forecast = forecasts([objective(tree)], tree, "weight", cost)[Latency.name]
    assert forecast(np.stack([cost.floor, cost.widths])).tolist() == [1.0, 1.0]


def test_measured_latency_is_not_foretold() -> None:
    tree = find_tree(LeNet5().eval(), IMAGE)
    assert forecasts([Latency()], tree, "channel", CostModel.of(tree, "channel")) == {}
