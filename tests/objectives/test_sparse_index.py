import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierprune.objectives.sparse_index import CODES, Code, cost, decode, encode

# positions in tensors that are far wider than one gap of a byte
position_sets = st.sets(st.integers(0, 200_000), max_size=60)


@pytest.mark.parametrize("code", CODES)
@given(chosen=position_sets, spare=st.integers(1, 5))
def test_round_trip_and_cost(code: Code, chosen: set[int], spare: int):
    positions = np.array(sorted(chosen), dtype=np.int64)
    size = max(chosen, default=0) + spare
    entries, index = encode(positions, size, code)
    assert np.isin(positions, entries).all()
    assert decode(index, size, code).tolist() == entries.tolist()
    assert cost(positions, size, 4, code) == 4 * len(entries) + index.nbytes


@pytest.mark.parametrize(("gap", "entries"), [(255, 1), (256, 2), (511, 2), (512, 3)])
def test_bridges_where_a_gap_is_too_wide(gap: int, entries: int):
    assert len(encode(np.array([gap]), 1000, "uint8")[0]) == entries


def test_index_of_another_tensor_is_refused():
    with pytest.raises(ValueError, match="position 9 in a tensor of 5"):
        decode(np.array([9], dtype=np.uint8), 5, "uint8")
    with pytest.raises(ValueError, match="mask of 5 bits"):
        decode(np.zeros(2, dtype=np.uint8), 5, "mask")
    with pytest.raises(ValueError, match="must be uint16"):
        decode(np.zeros(2, dtype=np.uint8), 5, "uint16")
    with pytest.raises(ValueError, match=">= 0"):
        decode(np.array([-3], dtype=np.int32), 5, "int32")
