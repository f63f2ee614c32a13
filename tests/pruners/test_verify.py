from dataclasses import replace

import pytest
import torch
from torch import nn

from hierprune.benchmarks.coverage.structures import STRUCTURES
from hierprune.limits import Limits
from hierprune.pruners.oracle import Oracle
from hierprune.pruners.surgery import cut
from hierprune.pruners.trace import build_tree
from hierprune.pruners.tree import Attribute
from hierprune.pruners.verify import Verification, find_culprit, verify_tree


def tampered(tree, name, indices):
    """The tree with the last cut of one group put elsewhere."""

    def wrong(group):
        last = replace(group.cuts[-1], indices=indices(group.cuts[-1].indices))
        return replace(group, cuts=(*group.cuts[:-1], last))

    return replace(tree, groups=tuple(wrong(g) if g.name == name else g for g in tree.groups))


def names(items):
    return [item.name for item in items]


def test_a_right_tree_stays_as_it_is(case):
    _, model, inputs = case
    tree = build_tree(model, inputs, verify=False)
    assert verify_tree(model, inputs, tree) == tree


def test_a_group_with_one_wrong_index_is_dropped_with_the_gap(lenet5):
    model, inputs = lenet5
    tree = build_tree(model, inputs, verify=False)
    wrong = tampered(tree, "fc1", lambda units: (*units[1:], units[0]))
    checked = verify_tree(model, inputs, wrong)
    assert names(checked.groups) == ["conv1", "conv2", "fc2"]
    assert checked.excluded[-1].name == "fc1"
    assert "differs from the masked model by" in checked.excluded[-1].reason


def test_a_group_that_crashes_is_dropped_with_the_error(residual):
    model, inputs = residual
    tree = build_tree(model, inputs, verify=False)
    checked = verify_tree(model, inputs, tampered(tree, "conv1", lambda units: units[:2] * 6))
    assert names(checked.groups) == ["stem"]
    assert "RuntimeError" in checked.excluded[-1].reason


def test_an_integer_that_should_not_follow_is_dropped(lenet5):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.divisor = 6
            self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 2)

        def forward(self, x):
            return self.b(self.a(x) / self.divisor)

    model, inputs = Scaled(), torch.randn(2, 4)
    tree = build_tree(model, inputs)
    spoiled = replace(tree, attributes=(Attribute("", "divisor", None, "a", 1),))
    checked = verify_tree(model, inputs, spoiled)
    assert names(checked.groups) == ["a"]
    assert checked.attributes == ()


def test_heads_and_stream_of_multihead_attention_go_in_proportion():
    structure = STRUCTURES["transformer_encoder"]
    model, inputs = structure.build().eval(), structure.inputs()
    tree = build_tree(model, inputs)
    stream = tree.groups[0]
    assert stream.width == 4
    small = cut(model, tree, {stream.name: [0, 3]})
    layer = small[1].layers[1]
    assert (layer.self_attn.num_heads, layer.self_attn.embed_dim) == (2, 16)
    assert layer.self_attn.head_dim == 8
    assert layer.linear1.in_features == 16


def test_time_limit_gives_up_what_is_not_checked(lenet5):
    model, inputs = lenet5
    tree = build_tree(model, inputs, verify=False)
    late = Verification(Oracle(model, [inputs]), tree, allowance=Limits(seconds=0).begin()).run()
    assert late.groups == ()
    assert all("time limit" in e.reason for e in late.excluded if e.name != "fc3")


def test_time_limit_of_the_trace_leaves_a_sound_tree(lenet5):
    tree = build_tree(*lenet5, limits=Limits(seconds=0))
    assert tree.groups == ()
    assert any("time limit" in e.reason for e in tree.excluded)


def test_memory_limit_of_the_trace_leaves_a_sound_tree():
    model = torch.nn.Sequential(torch.nn.Linear(2000, 4000), torch.nn.Linear(4000, 2))
    inputs = torch.randn(2, 2000)
    tree = build_tree(model, inputs, limits=Limits(gigabytes=1e-6))
    assert tree.groups == ()
    assert any("memory limit of 1e-06 GB" in e.reason for e in tree.excluded)
    assert len(build_tree(model, inputs, limits=Limits(gigabytes=100)).groups) == 1


@pytest.mark.parametrize("bad", range(6))
def test_culprit_is_the_last_of_the_shortest_failing_prefix(bad):
    groups = [str(i) for i in range(6)]
    assert find_culprit(groups, lambda some: str(bad) in some) == str(bad)
