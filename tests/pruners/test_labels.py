import networkx
import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from hierprune.pruners.labels import UnitSpace, alike, along, crossed, shrink, unflatten, widen

PAIRS = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), max_size=20)


def components(pairs):
    graph = networkx.Graph(pairs)
    graph.add_nodes_from(range(1, 13))
    return list(networkx.connected_components(graph))


@given(PAIRS)
def test_classes_are_the_connected_components_of_the_ties(pairs):
    units = UnitSpace()
    units.fresh(12)
    if pairs:
        a, b = torch.tensor(pairs).T
        units.tie(a, b)
    for component in components(pairs):
        roots = units.roots(torch.tensor(sorted(component)))
        assert (roots == min(component)).all()


@given(PAIRS, st.integers(1, 12), st.booleans())
def test_fixing_one_unit_fixes_its_class_whenever_it_was_tied(pairs, fixed, before):
    units = UnitSpace()
    labels = units.fresh(12)
    if before:
        units.freeze(torch.tensor([fixed]), "for the test")
    for a, b in pairs:
        units.tie(torch.tensor([a]), torch.tensor([b]))
    if not before:
        units.freeze(torch.tensor([fixed]), "for the test")
    expected = next(c for c in components(pairs) if fixed in c)
    assert {int(u) for u in labels[units.roots(labels) == 0]} == expected
    assert units.reason(torch.tensor(sorted(expected))) == "for the test"


def test_tying_to_the_fixed_label_keeps_reasons_apart():
    units = UnitSpace()
    a, b = units.fresh(1), units.fresh(1)
    units.freeze(a, "first")
    units.locate = lambda: "there"
    units.tie(b, torch.zeros(1, dtype=torch.int64))
    assert units.reason(a) == "first"
    assert units.reason(b) == "meets a tensor whose size does not follow (there)"


def test_ties_broadcast():
    units = UnitSpace()
    rows, column = units.fresh(6).reshape(2, 3), units.fresh(2).reshape(2, 1)
    units.tie(rows, column)
    assert len(np.unique(units.roots(rows))) == 2


def test_settle_collapses_equal_positions_and_drops_fixed_layers():
    units = UnitSpace()
    heads, gone = units.fresh(6).reshape(2, 3), units.fresh(3).reshape(1, 3)
    units.tie_along(heads, [1])
    units.freeze(gone, "")
    (settled,) = units.settle([heads, gone])
    assert settled.shape == (2, 1)


def test_a_space_that_does_not_unite_forgets_ties():
    units = UnitSpace(unite=False)
    a, b = units.fresh(2), units.fresh(2)
    units.tie(a, b)
    units.freeze(a, "")
    assert units.roots(a).tolist() == [1, 2]
    assert units.roots(b).tolist() == [3, 4]


def test_layer_helpers():
    labels = torch.arange(1, 7)
    layer = along(labels, 1, 3)
    assert layer.shape == (1, 6, 1)
    assert unflatten(layer, 1, (2, 3))[0, :, :, 0].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert widen(layer, (4, 6, 5), [2]).shape == (1, 6, 5)
    assert torch.equal(shrink(layer.expand(4, 6, 5)), layer)


def test_rows_and_columns_of_what_was_flattened_cross():
    rows, columns = torch.arange(1, 4).repeat_interleave(2), torch.arange(4, 6).repeat(3)
    assert crossed(rows, columns)
    assert not crossed(rows, rows + 10)
    assert alike(rows, rows + 10)
    assert not alike(rows, columns)
