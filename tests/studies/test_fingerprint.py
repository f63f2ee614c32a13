import copy
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hierprune.studies.fingerprint import data_sha256, samples_sha256, weights_sha256
from hierprune.task import Task

INPUTS = torch.arange(60.0).reshape(20, 3)
TARGETS = torch.arange(20)


def batched(order: list[int], size: int) -> list[tuple[Tensor, Tensor]]:
    return [(INPUTS[rows], TARGETS[rows]) for rows in torch.tensor(order).split(size)]


@settings(deadline=None)
@given(st.permutations(range(20)), st.integers(1, 20))
def test_order_and_batch_size_do_not_matter(order: list[int], size: int):
    assert samples_sha256(batched(order, size), 100) == samples_sha256(
        batched(list(range(20)), 20), 100
    )


def test_every_value_and_every_sample_matters():
    whole = samples_sha256([(INPUTS, TARGETS)], 100)
    changed = INPUTS.clone()
    changed[7, 1] += 1e-4
    others = [
        [(changed, TARGETS)],
        [(INPUTS, TARGETS.flip(0))],
        [(INPUTS[:-1], TARGETS[:-1])],
        [(INPUTS.double(), TARGETS)],
        [(INPUTS.reshape(20, 3, 1), TARGETS)],
        [(INPUTS, TARGETS), (INPUTS[:2], TARGETS[:2])],
    ]
    found = {samples_sha256(batches, 100) for batches in others}
    assert len(found) == len(others)
    assert whole not in found


def test_limit_counts_samples():
    tail = INPUTS.clone()
    tail[15:] = 0
    assert samples_sha256([(INPUTS, TARGETS)], 15) == samples_sha256([(tail, TARGETS)], 15)
    assert samples_sha256([(INPUTS, TARGETS)], 16) != samples_sha256([(tail, TARGETS)], 16)


@pytest.mark.parametrize("part", ["ids", "extra", "targets"])
def test_nested_batches(part: str):
    batch = {"ids": INPUTS.long(), "extra": [INPUTS.bfloat16(), "text"]}, {"y": TARGETS}
    other = copy.deepcopy(batch)
    if part == "ids":
        other[0]["ids"][3, 0] = 99
    elif part == "extra":
        other[0]["extra"][1] = "word"
    else:
        other[1]["y"][0] = 5
    assert samples_sha256([batch], 100) == samples_sha256([copy.deepcopy(batch)], 100)
    assert samples_sha256([batch], 100) != samples_sha256([other], 100)


def test_test_and_train_are_not_read():
    def forbidden() -> list[tuple[Tensor, Tensor]]:
        raise AssertionError("read")

    task = Task("toy", nn.Identity, forbidden, [(INPUTS, TARGETS)], forbidden)
    assert data_sha256(task) == samples_sha256([(INPUTS, TARGETS)], 100)


def test_weights_names_shapes_and_buffers_matter():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    whole = weights_sha256(model)
    assert weights_sha256(copy.deepcopy(model)) == whole
    other = copy.deepcopy(model)
    other[1].running_mean[0] += 1
    assert weights_sha256(other) != whole
    other = copy.deepcopy(model)
    other[0].weight = nn.Parameter(other[0].weight.reshape(2, 8))
    assert weights_sha256(other) != whole
    assert weights_sha256(nn.Sequential(nn.Identity(), *model)) != whole
    assert weights_sha256(copy.deepcopy(model).bfloat16()) != whole


def test_another_process_finds_the_same():
    code = (
        "import torch; from torch import nn\n"
        "from hierprune.studies.fingerprint import samples_sha256, weights_sha256\n"
        "torch.manual_seed(0)\n"
        "batch = {'b': torch.ones(2, 3), 'a': 'text'}, torch.zeros(2)\n"
        "print(weights_sha256(nn.Linear(3, 3)), samples_sha256([batch], 9))\n"
    )
    runs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        for _ in range(2)
    }
    assert len(runs) == 1
