"""JSON that every reader takes."""

from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from hierprune.plain_json import dumps

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def refuse(constant: str) -> None:
    raise ValueError(constant)


@given(documents)
def test_strict_readers_take_it(document: object) -> None:
    json.loads(dumps(document), parse_constant=refuse)


@given(documents)
def test_numbers_stay_and_others_are_null(document: object) -> None:
    def same(before: object, after: object) -> bool:
        if isinstance(before, dict):
            return all(same(value, after[key]) for key, value in before.items())  # type: ignore[index]
        if isinstance(before, list):
            return all(map(same, before, after))  # type: ignore[arg-type]
        gone = isinstance(before, float) and not math.isfinite(before)
        return after is None if gone else before == after

    assert same(document, json.loads(dumps(document)))
