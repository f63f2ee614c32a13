import copy

import pytest
import torch
from torch import nn

from hierprune.objectives.base import Candidate
from hierprune.objectives.size import Compression, Macs, Params, count_params
from hierprune.task import Task

torch.set_num_threads(1)


def make_model(width: int = 8) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.Flatten(), nn.Linear(width * 9, 4)
    )


BATCHES = [(torch.randn(2, 1, 5, 5), torch.tensor([0, 1]))]
TASK = Task("toy", make_model, BATCHES, BATCHES, BATCHES)


@pytest.fixture
def candidate() -> Candidate:
    dense = make_model()
    return Candidate(copy.deepcopy(dense), dense, TASK)


def test_dense_is_one(candidate: Candidate):
    assert [m(candidate) for m in (Params(), Macs(), Compression())] == [1, 1, 1]


def test_masked_weights_do_not_count_and_vectors_do(candidate: Candidate):
    conv, norm, _, linear = candidate.model
    with torch.no_grad():
        conv.weight[4:] = 0
        conv.bias.zero_()
        norm.bias.zero_()
        linear.weight[:, 36:] = 0
    vectors = 8 + 8 + 8 + 4
    assert count_params(candidate.model) == 4 * 9 + 4 * 36 + vectors
    assert Params()(candidate) == (4 * 9 + 4 * 36 + vectors) / (8 * 9 + 4 * 72 + vectors)
    assert Macs()(candidate) == 0.5


def test_smaller_model_beside_its_dense():
    dense = make_model(8)
    candidate = Candidate(make_model(2), dense, TASK)
    assert Macs()(candidate) == 0.25
    assert Params()(candidate) == (2 * 9 + 4 * 18 + 6 + 4) / (8 * 9 + 4 * 72 + 24 + 4)
    assert Compression()(candidate) > 1


def test_tied_weights_count_once():
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    model[1].weight = model[0].weight
    assert count_params(model) == 16


def test_compression_of_single_weights():
    dense = nn.Linear(500, 800)
    model = copy.deepcopy(dense)
    with torch.no_grad():
        model.weight[torch.rand(800, 500) < 0.9] = 0
    task = Task("toy", lambda: dense, [], [], [])
    # every tenth value, at 4 bytes and 1 byte of gap
    assert Compression()(Candidate(model, dense, task)) == pytest.approx(8, rel=0.03)
