"""Every hand-written structure of the coverage benchmark: found, cut, and exact at any widths."""

from functools import cache

import pytest
import torch

from hierprune.benchmarks.coverage.structures import STRUCTURES
from hierprune.pruners.oracle import Oracle, difference, draw
from hierprune.pruners.surgery import cut, mask
from hierprune.pruners.trace import build_tree

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections")
RECURRENT = [name for name in STRUCTURES if "lstm" in name or "gru" in name or "rnn" in name]


@cache
def built(name):
    torch.manual_seed(0)
    structure = STRUCTURES[name]
    model, inputs = structure.build().eval(), structure.inputs()
    return model, inputs, build_tree(model, inputs)


def size(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", STRUCTURES)
def test_structure_is_cut_by_a_third_and_exact(name):
    model, inputs, tree = built(name)
    generator = torch.Generator().manual_seed(3)
    half = {g.name: draw(g, 0.5, generator) for g in tree.groups}
    assert size(cut(model, tree, half)) <= 0.7 * size(model)
    oracle = Oracle(model, [inputs], seed=4)
    assert oracle.fault(tree, half) == ""
    for _ in range(3):
        densities = [1 - 0.25 * oracle.choice(4) for _ in tree.groups]
        keep = {g.name: draw(g, d, generator) for g, d in zip(tree.groups, densities, strict=True)}
        assert oracle.fault(tree, keep) == ""


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_layers_agree_with_the_masked_model_to_1e_10(name):
    model, inputs, tree = built(name)
    oracle = Oracle(model, [inputs])
    keep = {g.name: draw(g, 0.5, oracle.generator) for g in tree.groups}
    assert any(g.kind == "hidden" for g in tree.groups) or name == "hand_written_gru"
    small = oracle.attempt(cut(oracle.model, tree, keep))
    masked = oracle.attempt(mask(oracle.model, tree, keep))
    assert all((a - b).abs().max() <= 1e-10 for a, b in zip(small, masked, strict=True))
    assert difference(small, masked) == ""


def test_dense_outputs_change_when_units_go():
    for name in ("LeNet5", "llama", "lstm", "unet"):
        model, inputs, tree = built(name)
        oracle = Oracle(model, [inputs])
        keep = {g.name: draw(g, 0.5, oracle.generator) for g in tree.groups}
        assert difference(
            oracle.attempt(cut(oracle.model, tree, keep)), oracle.attempt(oracle.model)
        )
