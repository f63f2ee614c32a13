import pytest
from torch import nn

from hierprune.benchmarks.coverage.structures import STRUCTURES
from hierprune.pruners.attributes import Claim, is_size_of_head, match, renamed, resolve
from hierprune.pruners.surgery import cut
from hierprune.pruners.trace import build_tree
from hierprune.pruners.tree import Attribute

HEADS = (("attention", 1),)


def test_integers_that_equal_the_size_follow_it():
    free = [("num_heads", None, 4), ("depth", None, 2)]
    assert match(free, 4, HEADS, samples=2) == [("num_heads", None, HEADS)]


def test_heads_times_batch_is_divided_by_the_batch():
    free = [("num_heads", None, 4), ("width", None, 4)]
    assert match(free, 8, (("attention", 2),), samples=2) == [("num_heads", None, HEADS)]


def test_names_with_head_win_over_others_of_the_same_value():
    free = [("shift", None, 3), ("heads", None, 3)]
    assert match(free, 3, HEADS, samples=1) == [("heads", None, HEADS)]


@pytest.mark.parametrize("name", ["head_dim", "attention_head_size", "d_kv"])
def test_the_size_of_one_head_is_no_number_of_heads(name):
    assert is_size_of_head(name)
    assert not is_size_of_head("num_heads")


def test_of_contradicting_claims_the_first_counts():
    claims = [Claim("m", "n", None, (("a", 1),)), Claim("m", "n", None, (("b", 2), ("c", 1)))]
    assert resolve(claims) == (Attribute("m", "n", None, "a", 1),)
    assert len(resolve(claims[1:])) == 2


def test_claims_follow_a_bundle_by_the_sum_of_its_parts():
    (claim,) = renamed([Claim("m", "n", None, (("a", 1), ("b", 3)))], "a", {"a": 4, "b": 1})
    assert claim.follows == (("a", 7),)


def test_sizes_kept_as_attributes_follow_and_are_reported():
    structure = STRUCTURES["bert"]
    model, inputs = structure.build().eval(), structure.inputs()
    tree = build_tree(model, inputs)
    small = cut(model, tree, {"layers.0.attention.query": [1, 2, 3]})
    attention = small.layers[0].attention
    assert (attention.num_attention_heads, attention.all_head_size) == (3, 24)
    assert attention.attention_head_size == 8
    assert small.layers[1].attention.num_attention_heads == 4
    assert {a.name for a in tree.attributes} == {"num_attention_heads", "all_head_size"}


def test_elements_of_a_tuple_follow_by_position():
    structure = STRUCTURES["split_by_attribute"]
    model, inputs = structure.build(), structure.inputs()
    tree = build_tree(model, inputs)
    sizes = {g.name: g.width for g in tree.groups}
    small = cut(model, tree, {name: range(n - 1) for name, n in sizes.items()})
    assert small.sizes == (11, 19)
    assert isinstance(small, nn.Module)
