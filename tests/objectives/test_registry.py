import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from hierprune.errors import UsageError
from hierprune.objectives.base import Candidate, Measurement, Objective
from hierprune.objectives.registry import DEFAULT, defaults, names, objective
from hierprune.task import Metric, Task, accuracy


def error(outputs: Tensor, targets: Tensor) -> Tensor:
    return 1 - accuracy(outputs, targets)


BATCHES = [(torch.randn(8, 3), torch.zeros(8, dtype=torch.long))]
TASK = Task(
    "toy",
    lambda: nn.Linear(3, 2),
    *[BATCHES] * 3,
    metrics={"accuracy": accuracy, "error": Metric(error, "minimize", "%")},
)
NAMES = ["accuracy", "error", "loss", "params", "macs", "compression", "latency"]


def test_every_name_is_known():
    assert names(TASK)[: len(NAMES)] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str):
    found = objective(name, TASK)
    assert isinstance(found, Objective)
    assert found.name == name
    assert pickle.loads(pickle.dumps(found)) == found
    dense = nn.Sequential(nn.Linear(3, 2), nn.Dropout()).train()
    model = copy.deepcopy(dense)
    before = copy.deepcopy(model.state_dict())
    value = found(Candidate(model, dense, TASK))
    value = value.value if isinstance(value, Measurement) else value
    assert torch.tensor(value).isfinite()
    assert all(m.training for m in [*model.modules(), *dense.modules()])
    assert all(before[k].equal(v) for k, v in model.state_dict().items())


def test_directions_and_units():
    found = {name: (o.direction, o.unit) for name in NAMES for o in [objective(name, TASK)]}
    assert found == {
        "accuracy": ("maximize", ""),
        "error": ("minimize", "%"),
        "loss": ("minimize", ""),
        "params": ("minimize", ""),
        "macs": ("minimize", ""),
        "compression": ("maximize", "x"),
        "latency": ("minimize", "ms"),
    }


def test_unknown_name_offers_the_nearest():
    with pytest.raises(UsageError, match=r"no objective 'latncy' \(did you mean 'latency'\?\)"):
        objective("latncy", TASK)


def test_defaults_follow_the_task():
    assert defaults(TASK) == DEFAULT
    other = Task("toy", TASK.build_model, *[BATCHES] * 3, metrics={"error": error})
    assert defaults(other) == ("error", "latency", "compression")
    bare = Task("toy", TASK.build_model, *[BATCHES] * 3, metrics={})
    assert defaults(bare) == ("loss", "latency", "compression")
