from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from hierprune.errors import UsageError
from hierprune.studies.check import check_task
from hierprune.task import Metric, Task, accuracy

torch.set_num_threads(1)

BATCHES = [(torch.randn(6, 3), torch.zeros(6, dtype=torch.long))]


class Unread:
    """A test split that must not be touched."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        raise AssertionError("the test split was read")


GOOD = Task("toy", lambda: nn.Linear(3, 2), BATCHES, BATCHES, Unread())


def raises() -> nn.Module:
    raise FileNotFoundError("no weights.pt")


def test_good_tasks_pass_and_the_generator_is_left_alone():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    check_task(GOOD)
    check_task(replace(GOOD, train=lambda: iter(BATCHES), val=lambda: BATCHES, metrics={}))
    loader = torch.utils.data.DataLoader(list(zip(*BATCHES[0], strict=True)), 2, shuffle=True)
    check_task(replace(GOOD, train=loader, val=loader))
    assert torch.get_rng_state().equal(state)


def test_frozen_model_needs_no_gradient():
    check_task(replace(GOOD, build_model=lambda: nn.Linear(3, 2).requires_grad_(False)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train": []}, "train is empty"),
        ({"val": lambda: []}, "val is empty"),
        ({"test": []}, "test is empty"),
        ({"test": None}, "test is missing"),
        ({"train": iter(BATCHES)}, "train is an iterator, read only once"),
        ({"val": 3}, "val cannot be read: TypeError"),
        ({"val": [torch.zeros(2, 3)]}, r"val must be \(inputs, targets\), got \(2, 3\)"),
        ({"val": [(torch.zeros(2, 3),) * 3]}, r"got \[\(2, 3\), \(2, 3\), \(2, 3\)\]"),
        ({"val": [(["a"], 0)]}, r"the inputs of val hold no tensor .*: \[str\]"),
        ({"val": [(torch.zeros(0, 3), torch.zeros(0))]}, "has no samples"),
        ({"build_model": raises}, "build_model raises FileNotFoundError: no weights.pt"),
        ({"build_model": lambda: 3}, "must give a torch.nn.Module, got int"),
        (
            {"build_model": lambda: nn.Linear(4, 2)},
            r"fails on the head of val, \(1, 3\): RuntimeError: mat1 and mat2",
        ),
        (
            {"example_inputs": (torch.zeros(1, 3), torch.zeros(1))},
            r"fails on example_inputs, \[\(1, 3\), \(1\,\)\]: TypeError",
        ),
        ({"loss": nn.functional.l1_loss}, r"loss fails on outputs \(6, 2\), targets \(6,\)"),
        (
            {"loss": nn.CrossEntropyLoss(reduction="none")},
            r"loss must give a scalar tensor, .*got \(6,\)",
        ),
        ({"loss": lambda o, t: 0.5}, "loss must give a scalar tensor.*got float"),
        ({"loss": lambda o, t: o.sum() * torch.nan}, "loss must be finite, got nan"),
        ({"loss": lambda o, t: 1 - accuracy(o, t).mean()}, "loss must have a gradient"),
        (
            {"metrics": {"acc": lambda o, t: accuracy(o, t).mean()}},
            r"'acc' must give one value per sample, shape \(6,\), got \(\)",
        ),
        ({"metrics": {"acc": Metric(lambda o, t: 0.5)}}, r"shape \(6,\), got float"),
        ({"metrics": {"acc": lambda o, t: o["logits"]}}, "metric 'acc' fails on outputs"),
        ({"metrics": {"latency": accuracy}}, "must not be called 'latency'"),
        ({"metrics": {"top 1": accuracy}}, "got 'top 1'"),
        ({"metrics": {"acc": Metric(accuracy, "max")}}, "'acc' goes to 'max', not 'minimize'"),
    ],
)
def test_one_problem(change: dict[str, object], words: str):
    with pytest.raises(UsageError, match=words):
        check_task(replace(GOOD, **change))


def test_all_problems_at_once():
    bad = replace(GOOD, train=[], test=None, build_model=lambda: nn.Linear(4, 2))
    with pytest.raises(UsageError) as caught:
        check_task(bad)
    lines = str(caught.value).splitlines()
    assert lines[0] == "the task 'toy' cannot be searched:"
    assert [line.split()[1] for line in lines[1:]] == ["train", "test", "the"]
