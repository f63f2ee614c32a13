"""Objectives beyond the task's own: fidelity, footprint, robustness, streamed metrics."""

import pickle

import pytest
import torch
from torch import Tensor, nn

from hierprune.errors import UsageError
from hierprune.objectives import metrics
from hierprune.objectives.base import Candidate, measure_quality
from hierprune.objectives.penalised import PenalisedLoss
from hierprune.objectives.registry import BUILT_IN, is_quality, names, objective
from hierprune.objectives.robustness import KINDS, changed
from hierprune.task import Task


def batches(count: int = 12) -> list[tuple[Tensor, Tensor]]:
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(count * 8, 1, 6, 6, generator=draw)
    return list(zip(images.split(8), (images.mean((1, 2, 3)) > 0).long().split(8), strict=True))


class Mean(nn.Module):
    """Tells images whose mean is positive."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(36, 2)
        with torch.no_grad():
            self.fc.weight.copy_(torch.tensor([-1.0, 1.0])[:, None].expand(2, 36))
            self.fc.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.flatten(1))


def task(**fields) -> Task:
    return Task("toy", Mean, batches(), batches(), batches(), **fields)


def candidate(model: nn.Module | None = None, **fields) -> Candidate:
    dense = Mean()
    return Candidate(model or dense, dense, task(**fields))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [n for n in names(task()) if n not in ("latency",)])
def test_every_objective_measures_prints_pickles_and_leaves_the_model_alone(name: str):
    found = objective(name, task())
    assert found.name == name
    assert pickle.loads(pickle.dumps(found)) == found
    one = candidate()
    before = {k: v.clone() for k, v in one.model.state_dict().items()}
    value = found(one)
    value = getattr(value, "value", value)
    assert value == value
    assert all(torch.equal(v, before[k]) for k, v in one.model.state_dict().items())
    assert all(p.grad is None for p in one.model.parameters())
    assert one.model.training


def test_a_model_agrees_with_itself_and_an_inverted_one_does_not():
    assert objective("agreement", task())(candidate()).value == 1
    assert objective("kl", task())(candidate()).value == pytest.approx(0, abs=1e-12)
    inverted = Mean()
    with torch.no_grad():
        inverted.fc.weight.neg_()
    assert objective("agreement", task())(candidate(inverted)).value == 0
    assert objective("kl", task())(candidate(inverted)).value > 1


def test_footprints_of_a_masked_model():
    masked = Mean()
    with torch.no_grad():
        masked.fc.weight[:, 4:] = 0
    measure = {n: objective(n, task())(candidate(masked)) for n in BUILT_IN if n != "latency"}
    assert measure["nonzeros"] == pytest.approx(8 / 72)
    assert measure["size"] < objective("size", task())(candidate())
    assert measure["entropy_coded"] > 0
    loss = candidate(masked).quality["loss"]
    penalised = measure["penalised_loss"]
    assert penalised.value == pytest.approx(loss.value + (8 + 2) / 74)
    assert penalised.high - penalised.value == pytest.approx(loss.high - loss.value)


def test_the_weight_of_the_penalty_is_part_of_its_name():
    light = objective("penalised_loss_0.1", task())
    assert light == PenalisedLoss(0.1)
    assert objective(light.name, task()) == light
    assert is_quality(light)
    one = candidate()
    assert light(one).value == pytest.approx(one.quality["loss"].value + 0.1)
    for twice in ("penalised_loss_0.10", "penalised_loss_1", "penalised_loss_1e-5"):
        with pytest.raises(UsageError, match="in the place of"):
            objective(twice, task())
    for wrong in ("penalised_loss_", "penalised_loss_much", "penalised_lossy"):
        with pytest.raises(UsageError, match="penalised_loss"):
            objective(wrong, task())
    with pytest.raises(UsageError, match="0 or more"):
        objective("penalised_loss_-1", task())


def test_the_loss_has_an_interval_where_there_are_batches_enough():
    found = candidate().quality["loss"]
    means = [nn.functional.cross_entropy(Mean()(x), y).item() for x, y in batches()]
    assert found.value == pytest.approx(sum(means) / 12)
    assert found.low < min(found.value, found.high)
    few = Candidate(Mean(), Mean(), Task("toy", Mean, [], batches()[:9], []))
    assert few.quality["loss"].low is None


def test_activations_count_what_is_alive_at_once():
    class Chain(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            a = x + 1  # 400 bytes
            b = a * 2  # both alive: 800
            del a
            return b[:, :10] + 1  # 400 + 40

    dense = Chain()
    inputs = [(torch.zeros(1, 100), torch.zeros(1))]
    one = Candidate(dense, dense, Task("toy", Chain, inputs, inputs, inputs))
    assert objective("activations", one.task)(one) == 800


@pytest.mark.parametrize("kind", KINDS)
def test_disturbed_inputs_do_not_help_and_are_the_same_every_time(kind: str):
    measure = objective(f"{kind}_accuracy", task())
    first, again = measure(candidate()), measure(candidate())
    assert first == again
    assert first.value <= 1
    assert first.low <= first.value <= first.high
    if kind in ("brightness", "fgsm"):
        assert first.value < 1
    assert is_quality(measure)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_of_a_single_number_have_no_spread(kind: str):
    data = [(torch.randn(1, 1), torch.zeros(1, dtype=torch.long)) for _ in range(3)]
    model = nn.Linear(1, 2)
    one = Candidate(model, model, Task("one", lambda: model, data, data, data))
    same = one.quality["loss"].value
    found = objective(f"{kind}_loss", one.task)(one).value
    assert found == same if kind != "contrast" else found == pytest.approx(same)


def test_an_empty_split_is_named_on_disturbed_inputs_too():
    empty = Candidate(Mean(), Mean(), Task("toy", Mean, [], batches(), []), split="test")
    with pytest.raises(UsageError, match="the test split of 'toy' holds no samples"):
        objective("noise_accuracy", empty.task)(empty)


def test_blur_keeps_the_mean_and_contrast_shrinks_around_it():
    x = torch.ones(2, 3, 8, 8)
    draw = torch.Generator()
    assert torch.allclose(changed(x, "blur", 1.0, draw), x, atol=1e-6)
    y = torch.randn(2, 3, 8, 8)
    low = changed(y, "contrast", 0.5, draw)
    assert low.std() == pytest.approx(float(y.std()) / 2, rel=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_streamed_metrics_are_those_of_the_whole_split_with_an_interval():
    made = {
        "f1": metrics.f1(2),
        "f1_of_1": metrics.f1(2, "none", of=1),
        "precision": metrics.precision(2),
        "recall": metrics.recall(2),
        "auc": metrics.auc(2),
        "top1": metrics.top_k(1),
    }
    exact = measure_quality(Mean(), task(metrics=made), "val")
    assert list(exact) == ["loss", *made]
    assert all(exact[name].value == pytest.approx(1) for name in made)
    torch.manual_seed(0)
    rough = measure_quality(
        nn.Sequential(nn.Flatten(), nn.Linear(36, 2)), task(metrics=made), "val"
    )
    for name in made:
        assert rough[name].low < rough[name].value < rough[name].high


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mean = Mean()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"sign": self.mean(x), "size": x.mean((1, 2, 3)) * 2}


@pytest.mark.filterwarnings("ignore")
def test_one_metric_per_head():
    data = [(x, {"sign": y, "size": x.mean((1, 2, 3))}) for x, y in batches()]
    made = {
        "sign_f1": metrics.f1(2, select=metrics.head("sign")),
        "size_error": metrics.mae(metrics.head("size"), unit="cm"),
        "size_r2": metrics.r2(metrics.head("size")),
    }
    two = Task(
        "two", TwoHeads, data, data, data, metrics=made, loss=lambda o, t: o["size"].mean().abs()
    )
    found = measure_quality(TwoHeads(), two, "val")
    assert found["sign_f1"].value == 1
    sizes = torch.cat([t["size"] for _, t in data])
    assert found["size_error"].value == pytest.approx(float(sizes.abs().mean()), rel=1e-5)
    assert objective("size_error", two).unit == "cm"
    assert found["size_r2"].value < 1
    assert objective("sign_f1", two).direction == "maximize"


@pytest.mark.filterwarnings("ignore")
def test_text_metrics():
    wer = metrics.word_error_rate(lambda outputs, targets: (outputs, targets))
    one = wer.make()
    one.update(*wer.select(["a b c d"], ["a x c d"]))
    assert float(one.compute()) == 0.25
    perplexity = metrics.perplexity().make()
    perplexity.update(torch.zeros(1, 3, 5), torch.zeros(1, 3, dtype=torch.long))
    assert float(perplexity.compute()) == pytest.approx(5)
