import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from hierprune.errors import UsageError
from hierprune.objectives.base import Candidate, measure_quality
from hierprune.objectives.quality import Quality
from hierprune.task import Metric, Task


def distance(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).abs().flatten()


INPUTS = torch.tensor([[0.0], [1.0], [2.0], [3.0], [4.0]])
TARGETS = torch.tensor([[0.0], [2.0], [2.0], [5.0], [4.0]])
TASK = Task(
    "toy",
    nn.Identity,
    train=[],
    val=[(INPUTS[:4], TARGETS[:4]), (INPUTS[4:], TARGETS[4:])],
    test=[(INPUTS[1:2], TARGETS[1:2])],
    loss=nn.functional.mse_loss,
    metrics={"distance": Metric(distance, "minimize", "m")},
)


def test_mean_over_samples_of_uneven_batches():
    candidate = Candidate(nn.Identity(), nn.Identity(), TASK)
    assert Quality("loss", "minimize")(candidate).value == pytest.approx((1 + 4) / 5)
    found = Quality("distance", "minimize", "m")(candidate)
    assert found.value == pytest.approx(3 / 5)
    half = 1.96 * torch.tensor([0.0, 1, 0, 2, 0]).std().item() / math.sqrt(5)
    assert found.high - found.value == pytest.approx(half)


def test_split_of_the_candidate_counts():
    candidate = Candidate(nn.Identity(), nn.Identity(), TASK, split="test")
    assert Quality("distance")(candidate).value == 1.0


@pytest.mark.parametrize("batches", [[], [(INPUTS[:0], TARGETS[:0])]])
def test_a_split_that_turns_out_empty_is_named(batches: list[tuple[Tensor, Tensor]]):
    task = replace(TASK, test=lambda: iter(batches))
    with pytest.raises(UsageError, match="the test split of 'toy' holds no samples"):
        measure_quality(nn.Identity(), task, "test")


def test_one_pass_for_all_qualities():
    class Counting(nn.Identity):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            type(self).calls += 1
            return x

    candidate = Candidate(Counting(), nn.Identity(), TASK)
    for name in ("loss", "distance", "loss"):
        Quality(name)(candidate)
    assert Counting.calls == 2
