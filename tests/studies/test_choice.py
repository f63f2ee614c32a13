"""Which trial is picked, on trials that can be looked through by eye."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from hierprune.errors import NoModelError, UsageError
from hierprune.search.history import Record
from hierprune.studies.choice import Choice
from hierprune.studies.run_record import DenseInfo, ObjectiveInfo, RunRecord

OBJECTIVES = (ObjectiveInfo("accuracy", "", "maximize"), ObjectiveInfo("params", "", "minimize"))
MEASURED = (*OBJECTIVES, ObjectiveInfo("loss", "", "minimize"))
VALUES = {"accuracy": 0.9, "params": 100.0, "loss": 0.1}
DENSE = DenseInfo("", "", VALUES, {}, {"accuracy": 0.1}, 100, 100)


@pytest.fixture
def record(finished: Path) -> RunRecord:
    asked = RunRecord.load(finished / "study")
    return replace(asked, objectives=OBJECTIVES, measured=MEASURED, dense=DENSE, where=())


def trial(number: int, accuracy: float, params: float, loss: float) -> Record:
    values = {"accuracy": accuracy, "params": params, "loss": loss}
    return Record(number, 0, None, None, {}, values, {}, {}, {})


TRIALS = (
    trial(0, 0.89, 90.0, 0.2),
    trial(1, 0.85, 30.0, 0.4),
    trial(2, 0.89, 80.0, 0.3),
    trial(3, 0.5, 25.0, 1.0),
    trial(4, 0.84, 60.0, 0.5),
)


@pytest.mark.parametrize(
    ("where", "prefer", "taken"),
    [
        ((), "knee", 1),
        (("params >= 60",), "knee", 2),
        ((), "params", 3),
        (("accuracy >= dense - 0.1",), "params", 1),
        ((), "accuracy", 0),  # trial 2 is as good, and has the higher loss
        (("params <= 80",), "accuracy", 2),
    ],
)
def test_what_is_taken(record: RunRecord, where: tuple[str, ...], prefer: str, taken: int) -> None:
    assert Choice.of(record, where, prefer)(TRIALS).number == taken
    own = replace(record, where=where)
    assert Choice.of(own, (), prefer)(TRIALS).number == taken


def test_of_equal_models_the_one_of_least_loss_is_the_knee(record: RunRecord) -> None:
    alone = replace(record, objectives=OBJECTIVES[:1])
    equal = (trial(0, 0.8, 90.0, 0.9), trial(1, 0.8, 90.0, 0.5), trial(2, 0.8, 90.0, 0.7))
    assert Choice.of(alone, (), "knee")(equal).number == 1
    assert Choice.of(record, (), "knee")(equal).number == 1


def test_what_nobody_satisfies_is_told_with_the_nearest(record: RunRecord) -> None:
    choice = Choice.of(record, ("params <= 30", "accuracy >= 0.95"), "knee")
    with pytest.raises(NoModelError) as error:
        choice(TRIALS)
    assert str(error.value).splitlines() == [
        "no finished trial satisfies all constraints",
        "  params <= 30.0: held by 2 of 5, nearest 25",
        "  accuracy >= 0.95: held by 0 of 5, nearest 0.89",
    ]


@pytest.mark.parametrize(
    ("where", "prefer", "said"),
    [((), "parms", "did you mean 'params'"), (("parms <= 1",), "knee", "'parms'")],
)
def test_unknown_names_are_usage_errors(
    record: RunRecord, where: tuple[str, ...], prefer: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        Choice.of(record, where, prefer)


def test_scores_that_are_no_numbers_are_never_taken(record: RunRecord) -> None:
    lost = (trial(7, math.nan, 1.0, 0.0), trial(8, 0.99, 1.0, math.nan))
    for prefer in ("knee", "accuracy", "params", "loss"):
        taken = Choice.of(record, (), prefer)
        assert taken((*lost, *TRIALS)) == taken(TRIALS)
    with pytest.raises(NoModelError, match="scores of 2 of 2 are not finite"):
        Choice.of(record, (), "knee")(lost)


def test_a_measured_value_that_is_no_number_is_the_last_to_be_best(record: RunRecord) -> None:
    more = replace(record, measured=(*MEASURED, ObjectiveInfo("f1", "", "maximize")))
    values = (math.nan, 0.2, 0.1)
    found = [replace(t, values={**t.values, "f1": v}) for t, v in zip(TRIALS, values, strict=False)]
    assert Choice.of(more, (), "f1")(found).number == 1
