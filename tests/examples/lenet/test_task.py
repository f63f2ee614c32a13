from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hierprune.examples.idx import IdxSet
from hierprune.examples.lenet import data
from hierprune.examples.lenet.task import RECIPES
from hierprune.studies.check import check_task
from hierprune.studies.ready_made import READY_MADE
from hierprune.studies.source import TaskSource

torch.set_num_threads(1)


@pytest.mark.parametrize("name", [name for name in READY_MADE if name.startswith("lenet")])
def test_ready_made_task(name: str, folder: Path, files: IdxSet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(data, "MNIST", replace(data.MNIST, sums=files.sums))
    task = TaskSource.parse(name, data_dir=folder).load()
    check_task(task)
    assert (task.name, task.data) == (name, "mnist")
    assert task.training == RECIPES["mnist"].training
    torch.manual_seed(0)
    first = next(iter(task.train))[1]
    assert not next(iter(task.train))[1].equal(first)
    assert len(first) == 100
