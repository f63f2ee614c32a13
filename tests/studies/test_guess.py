"""What guessing scores, the reference of every quality."""

import math

import pytest
import torch
from torch import Tensor, nn

import hierprune
from hierprune.objectives.base import measure_quality
from hierprune.studies.guess import class_shares, guessing

COUNTS = (2, 30, 8)


class Blind(nn.Module):
    """The same logits for every sample."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.answer = nn.Linear(1, len(logits))
        self.answer.weight.data.zero_()
        self.answer.bias.data = torch.tensor(logits)

    def forward(self, x: Tensor) -> Tensor:
        return self.answer(x)


def task(targets: Tensor, **options: object) -> hierprune.Task:
    """A split of samples that say nothing of their targets."""
    batches = [(torch.zeros(len(t), 1), t) for t in targets.split(16)]
    return hierprune.Task("blind", lambda: Blind(0.0), batches, batches, batches, **options)


def classes() -> Tensor:
    """Of very different sizes, shuffled."""
    targets = torch.repeat_interleave(torch.arange(3), torch.tensor(COUNTS))
    return targets[torch.randperm(40, generator=torch.Generator().manual_seed(0))]


def test_guessing_names_the_largest_class() -> None:
    found = guessing(task(classes()), Blind(0.0, 0.0, 0.0), {"loss": 0.1, "accuracy": 0.99})
    shares = [c / 40 for c in COUNTS]
    assert found["accuracy"] == pytest.approx(30 / 40)
    assert found["loss"] == pytest.approx(-sum(s * math.log(s) for s in shares), rel=1e-5)


def test_no_blind_answer_is_better_in_loss() -> None:
    found = guessing(task(classes()), Blind(0.0, 0.0, 0.0), {"loss": 0.1, "accuracy": 0.99})
    for logits in [(0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (-1.0, 3.0, 1.0)]:
        blind = measure_quality(Blind(*logits), task(classes()), "val")
        assert blind["loss"].value >= found["loss"] - 1e-6


def test_guessing_is_worse_than_a_dense_model_that_is_worse_than_the_largest_class() -> None:
    dense = {"loss": 0.9, "accuracy": 0.7}
    found = guessing(task(classes()), Blind(0.0, 0.0, 0.0), dense)
    assert found["accuracy"] == pytest.approx(2 / 40)
    assert found["loss"] == pytest.approx(math.log(3), rel=1e-5)
    hopeless = guessing(task(classes()), Blind(0.0, 0.0, 0.0), {"loss": 3.0, "accuracy": 0.01})
    assert hopeless == {"loss": 6.0, "accuracy": 0.0}


def test_where_targets_are_no_classes_guessing_answers_zeros() -> None:
    targets = torch.tensor([1.0, 2.0, 3.0])[:, None]
    error = hierprune.Metric(lambda out, y: (out - y).abs().flatten(1).mean(1), "minimize")
    asked = task(targets, loss=nn.functional.mse_loss, metrics={"error": error})
    found = guessing(asked, Blind(2.0), {"loss": 0.1, "error": 0.1})
    assert found == pytest.approx({"loss": 14 / 3, "error": 2.0})


@pytest.mark.parametrize(
    "targets", [[3, 10**12], [-100, 1], [0.0, 1.0]], ids=["counts", "ignored", "real"]
)
def test_numbers_that_are_no_classes_are_not_counted_as_such(targets: list[float]) -> None:
    assert class_shares(task(torch.tensor(targets))) is None


def test_a_metric_that_refuses_constant_answers_costs_no_study() -> None:
    def correlation(out: Tensor, y: Tensor) -> Tensor:
        if out.std(dim=0).max() == 0:
            raise ValueError("correlation of a constant is not defined")
        return out[:, 0]

    asked = task(classes(), metrics={"r": hierprune.Metric(correlation, "maximize")})
    found = guessing(asked, Blind(0.0, 0.0, 0.0), {"loss": 0.1, "r": 0.9})
    assert found == pytest.approx({"loss": 0.2, "r": 0.0})
