"""Groups, cuts and trees as plain data, and what stays of a tensor."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierprune.pruners.trace import build_tree
from hierprune.pruners.tree import (
    Attribute,
    Cut,
    Excluded,
    Group,
    ModelTree,
    TensorCost,
    kept_positions,
)

NAMES = st.text("ab.0", min_size=1, max_size=4)


@st.composite
def cuts(draw, width):
    size = draw(st.integers(1, 3))
    places = draw(st.permutations(range(width * size)))
    units = tuple(tuple(sorted(places[u * size : (u + 1) * size])) for u in range(width))
    tensor = draw(st.sampled_from(["v", "w"]))
    return Cut(tensor, draw(st.integers(0, 1)), units, reads=draw(st.booleans()))


@st.composite
def groups(draw):
    width = draw(st.integers(1, 4))
    found = tuple(draw(st.lists(cuts(width), min_size=1, max_size=3)))
    return Group(draw(NAMES), draw(NAMES), "channel", found, floor=draw(st.integers(1, width)))


@st.composite
def trees(draw):
    return ModelTree(
        groups=tuple(draw(st.lists(groups(), max_size=3))),
        weights=(Group("w", "s", "weight", (Cut("w", -1, ()),), size=6),),
        tensors=(TensorCost("w", (2, 3), 5), TensorCost("s", (), 0)),
        attributes=(Attribute("m", "heads", draw(st.sampled_from([None, 1])), "g", 4),),
        excluded=(Excluded("x", "why"),),
        blocks=(Group("b", "s", "block", (Cut("w", 0, ((0,),)),), size=1, floor=0),),
    )


@given(tree=trees())
def test_trees_are_plain_data(tree):
    assert ModelTree.from_json(json.loads(json.dumps(tree.to_json()))) == tree


def test_trees_of_models_are_plain_data(case):
    _, model, x = case
    tree = build_tree(model, x)
    assert ModelTree.from_json(json.loads(json.dumps(tree.to_json()))) == tree


@given(found=st.lists(groups(), min_size=1, max_size=4), data=st.data())
def test_what_stays_is_what_no_removed_unit_holds(found, data):
    found = [Group(str(i), g.stage, g.kind, g.cuts) for i, g in enumerate(found)]
    keep = {
        g.name: data.draw(st.sets(st.integers(0, g.width - 1)))
        for g in found
        if data.draw(st.booleans())
    }
    sizes = {"v": (12, 12), "w": (12, 12)}
    kept = kept_positions(found, sizes, keep)
    for tensor in sizes:
        for dim in (0, 1):
            gone = {
                i
                for g in found
                for c in g.cuts
                if (c.tensor, c.dim) == (tensor, dim)
                for u in set(range(g.width)) - keep.get(g.name, set(range(g.width)))
                for i in c.indices[u]
            }
            expected = [i for i in range(12) if i not in gone]
            assert kept.get((tensor, dim), list(range(12))) == expected
            assert ((tensor, dim) in kept) == bool(gone)


def test_kept_positions_cover_every_dimension_that_loses_something(case):
    _, model, x = case
    tree = build_tree(model, x)
    sizes = {n: tuple(t.shape) for n, t in model.state_dict().items()}
    group = tree.groups[0]
    kept = kept_positions(tree.groups, sizes, {group.name: range(1, group.width)})
    assert set(kept) == {(c.tensor, c.dim) for c in group.cuts}
    for cut in group.cuts:
        expected = set(range(sizes[cut.tensor][cut.dim])) - set(cut.indices[0])
        assert set(kept[cut.tensor, cut.dim]) == expected


@pytest.mark.parametrize(
    ("granularity", "names", "widths", "floor", "step"),
    [
        ("channel", ["a"], [3], 1, 1),
        ("block", ["c"], [1], 0, 1),
        ("weight", ["a", "b"], [24, 10], 1, 1),
        ("2:4", ["a"], [4], 2, 2),
        ("1:4", ["a"], [4], 1, 3),
        ("3x2", ["a"], [4], 1, 1),
        ("1x5", ["b"], [2], 1, 1),
        ("2x5", [], [], 1, 1),
    ],
)
def test_a_granularity_decides_on_the_weights_that_it_fits(granularity, names, widths, floor, step):
    rows = ((0,), (1,), (2,))
    sizes = {"a": (3, 8), "b": (2, 5)}
    tree = ModelTree(
        groups=(Group("a", "s", "channel", (Cut("a", 0, rows),)),),
        weights=tuple(
            Group(n, "s", "weight", (Cut(n, -1, ()),), size=a * b) for n, (a, b) in sizes.items()
        ),
        tensors=tuple(TensorCost(n, s, 0) for n, s in sizes.items()),
        blocks=(Group("c", "s", "block", (Cut("a", 0, rows),), size=1, floor=0),),
    )
    found = tree.units(granularity)
    assert [g.name for g in found] == names
    assert [g.width for g in found] == widths
    assert {(g.floor, g.step) for g in found} <= {(floor, step)}
