from hypothesis import given
from hypothesis import strategies as st

from hierprune.pruners.bundles import bundle, candidates, components
from hierprune.pruners.tree import Cut, Group


def group(name, width, tensors, kind="neuron", offset=0):
    rows = tuple((offset + i,) for i in range(width))
    return Group(name, name, kind, tuple(Cut(t, 0, rows) for t in tensors))


def test_units_of_a_bundle_are_blocks_in_proportion():
    heads = Group("h", "s", "head", (Cut("q", 0, ((0, 1), (2, 3))),))
    joined = bundle([group("stream", 4, ["norm"]), heads])
    assert (joined.name, joined.width) == ("stream", 2)
    assert joined.cuts == (Cut("norm", 0, ((0, 1), (2, 3))), Cut("q", 0, ((0, 1), (2, 3))))


def test_widths_without_a_common_divisor_cannot_be_bundled():
    assert bundle([group("a", 4, ["x"]), group("b", 9, ["y"])]) is None


@given(st.integers(2, 4), st.integers(1, 4), st.integers(1, 4))
def test_a_bundle_covers_every_position_once(units, a, b):
    joined = bundle([group("a", units * a, ["x"]), group("b", units * b, ["x"], offset=units * a)])
    (cut,) = joined.cuts
    assert sorted(cut.positions(range(joined.width))) == list(range(units * (a + b)))


def test_heads_are_tried_with_their_stream_before_anything_else():
    stream, other = group("stream", 8, ["qkv", "norm"]), group("other", 8, ["norm"])
    heads = group("heads", 4, ["qkv"], "head")
    first, second, *_ = candidates([stream, other, heads])
    assert [g.name for g in first] == ["stream", "heads"]
    assert [g.name for g in second] == ["stream", "other", "heads"]


def test_components_are_transitive():
    groups = [group(n, 2, t) for n, t in (("a", "x"), ("b", "xy"), ("c", "z"), ("d", "y"))]
    found = components(
        groups, lambda p, q: bool({c.tensor for c in p.cuts} & {c.tensor for c in q.cuts})
    )
    assert [[g.name for g in component] for component in found] == [["a", "b", "d"], ["c"]]
