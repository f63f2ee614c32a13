"""Numbers to try, as users write them."""

import pytest

from hierprune.errors import UsageError
from hierprune.search.span import Span, numbers


@pytest.mark.parametrize(
    ("words", "means"),
    [
        ("1e-4..3e-3", Span(1e-4, 3e-3)),
        ("0 .. 0.5", Span(0.0, 0.5)),
        ("0,0.3, 0.7,0.3", (0.0, 0.3, 0.7)),
        ([0, 1], (0.0, 1.0)),
        (2, (2.0,)),
        ("0.01", (0.01,)),
    ],
)
def test_words_and_numbers(words: object, means: object) -> None:
    assert numbers(words) == means  # type: ignore[arg-type]
    assert numbers(numbers(words)) == means  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "words", ["", "fast", "1..2..3", "3e-3..1e-4", "1..1", "nan", "1..", "inf"]
)
def test_what_is_none(words: str) -> None:
    with pytest.raises(UsageError):
        numbers(words)
