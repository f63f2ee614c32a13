import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from hierprune.errors import UsageError
from hierprune.pruners.training import count_batches, make_optimizer, schedule, train
from hierprune.task import Task

torch.set_num_threads(1)


class Shuffled:
    """Batches of two in an order drawn from the global generator."""

    def __init__(self, samples: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.inputs = torch.randn(samples, 4, generator=generator)
        self.targets = (self.inputs.sum(1) > 0).long()

    def __len__(self) -> int:
        return len(self.inputs) // 2

    def __iter__(self):
        for rows in torch.randperm(len(self.inputs)).split(2):
            yield self.inputs[rows], self.targets[rows]


def make_model() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 2))


def make_task(train_split) -> Task:
    return Task("toy", make_model, train_split, [], [])


TASK = make_task(Shuffled(64))


def loss_of(model: nn.Module) -> float:
    data = Shuffled(64)
    with torch.no_grad():
        return float(
            nn.functional.cross_entropy(copy.deepcopy(model).eval()(data.inputs), data.targets)
        )


@pytest.mark.parametrize(("optimizer", "lr"), [("adamw", 1e-2), ("sgd", 0.1)])
def test_learns(optimizer: str, lr: float):
    model = make_model()
    before = loss_of(model)
    train(model, TASK, 5, lr=lr, optimizer=optimizer)
    assert loss_of(model) < 0.5 * before


def test_same_seed_same_weights_and_the_generator_is_put_back():
    weights = []
    for seed, disturbance in ((1, 0), (1, 5), (2, 0)):
        torch.manual_seed(disturbance)
        state = torch.get_rng_state()
        model = make_model()
        train(model, TASK, 1, lr=1e-2, seed=seed)
        assert torch.get_rng_state().equal(state)
        weights.append(model[0].weight)
    assert weights[0].equal(weights[1])
    assert not weights[0].equal(weights[2])


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_zeros_are_held_in_matrices_and_not_in_vectors(optimizer: str):
    model = make_model()
    with torch.no_grad():
        model[0].weight[::2] = 0
        model[0].bias.zero_()
    zeros = model[0].weight == 0
    train(model, TASK, 1, lr=1e-2, optimizer=optimizer, hold_zeros=True)
    assert (model[0].weight == 0).equal(zeros)
    assert not model[0].weight.signbit()[zeros].any()
    assert model[0].bias[1::2].count_nonzero() > 0


def test_zeros_grow_unless_held():
    model = make_model()
    with torch.no_grad():
        model[0].weight[:, 0] = 0
    train(model, TASK, 1, lr=1e-2)
    assert model[0].weight[:, 0].count_nonzero() > 0


def test_frozen_parameters_modes_and_gradients_stay():
    model = make_model().eval()
    model[0].weight.requires_grad_(False)
    before = model[0].weight.clone()
    train(model, TASK, 1, lr=1e-2)
    assert model[0].weight.equal(before)
    assert not model[0].weight.requires_grad
    assert not any(module.training for module in model.modules())
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(("epochs", "steps"), [(0, 0), (0.25, 8), (1, 32), (1.5, 48)])
def test_fractional_epochs_and_progress(epochs: float, steps: int):
    done: list[float] = []
    train(make_model(), TASK, epochs, lr=1e-3, progress=done.append)
    assert len(done) == steps
    assert done == sorted(done)
    assert steps == 0 or done[-1] == 1


def test_a_function_that_gives_generators_is_called_for_every_pass():
    def passes():
        return iter(list(Shuffled(8)))

    done: list[float] = []
    train(make_model(), make_task(passes), 2.5, lr=1e-3, progress=done.append)
    assert len(done) == 10


def test_steep_start_does_not_diverge():
    model = make_model()
    with torch.no_grad():
        model[3].weight.mul_(1e4)
    before = loss_of(model)
    train(model, TASK, 3, lr=0.1, optimizer="sgd")
    assert loss_of(model) < before


def test_any_inputs_convention():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, left: Tensor, right: Tensor) -> Tensor:
            return self.layer(left + right)

    x, y = torch.ones(2, 4), torch.zeros(2, dtype=torch.long)
    for inputs in ((x, x), {"left": x, "right": x}):
        model = Two()
        before = model.layer.weight.clone()
        train(model, make_task([(inputs, y)]), 1, lr=0.1)
        assert not model.layer.weight.equal(before)


def test_diverged_loss_raises():
    model = make_model()
    with torch.no_grad():
        model[0].weight.fill_(math.nan)
    with pytest.raises(ArithmeticError, match=r"nan.*lower lr"):
        train(model, TASK, 1, lr=1e-3)


def test_empty_train_split_and_unknown_optimizer():
    with pytest.raises(UsageError, match="at least one batch"):
        train(make_model(), make_task([]), 1, lr=1e-3)
    with pytest.raises(UsageError, match="'adamw' or 'sgd', got 'adam'"):
        train(make_model(), TASK, 1, lr=1e-3, optimizer="adam")


def test_vectors_do_not_decay():
    decays = {
        p.dim(): group["weight_decay"]
        for group in make_optimizer(make_model(), "adamw", 0.5).param_groups
        for p in group["params"]
    }
    assert decays == {2: 0.5, 1: 0.0}


def test_counts_batches_of_anything():
    assert count_batches([1, 2]) == 2
    assert count_batches(iter([1, 2, 3])) == 3


@given(st.floats(0, 0.9), st.integers(1, 200))
def test_schedule_rises_then_falls(warmup: float, steps: int):
    rates = [schedule((i + 1) / steps, warmup) for i in range(steps)]
    peak = rates.index(max(rates))
    assert all(0 < rate <= 1 for rate in rates)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
