"""Results between the worker and the record."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierprune.studies.spool import Spool, read_outcome
from hierprune.studies.trial import Outcome

NUMBERS = st.floats(allow_nan=False)
OUTCOMES = st.builds(
    Outcome,
    number=st.integers(0, 99),
    values=st.dictionaries(st.text(max_size=5), NUMBERS, max_size=3),
    interval=st.dictionaries(st.text(max_size=5), st.tuples(NUMBERS, NUMBERS), max_size=3),
    error=st.text(max_size=20),
    attempt=st.integers(1, 3),
)


@given(outcome=OUTCOMES)
def test_an_outcome_comes_back(tmp_path_factory: pytest.TempPathFactory, outcome: Outcome) -> None:
    spool = Spool(tmp_path_factory.getbasetemp())
    spool.put(outcome)
    assert spool.get(outcome.number, outcome.attempt) == outcome
    spool.remove(outcome.number, outcome.attempt)
    assert spool.get(outcome.number, outcome.attempt) is None


def test_all_come_in_order_and_drafts_do_not(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in (12, 3, 7):
        spool.put(Outcome(number))
    (tmp_path / ".9-1.json.77").write_text("{")
    assert [o.number for o in spool] == [3, 7, 12]


def test_removing_takes_the_drafts_of_that_outcome_along(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for name in (".1-1.json.77", ".1-2.json.77", ".11-1.json.77"):
        (tmp_path / name).touch()
    spool.put(Outcome(1))
    spool.remove(1, 1)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".1-2.json.77", ".11-1.json.77"]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"number": 1}', '{"interval": {"a": []}}'])
def test_a_damaged_file_is_no_outcome(tmp_path: Path, text: str) -> None:
    path = tmp_path / "1-1.json"
    path.write_text(text)
    assert read_outcome(path) is None


def test_no_folder_is_made_where_the_run_is_not(tmp_path: Path) -> None:
    Spool(tmp_path / "elsewhere" / "spool").put(Outcome(1))
    assert list(tmp_path.iterdir()) == []
