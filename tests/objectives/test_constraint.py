import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierprune.errors import UsageError
from hierprune.objectives.constraint import Constraint

numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 6))
amounts = st.floats(0.001, 1e6).map(lambda x: round(x, 6))
operators = st.sampled_from(["<=", ">=", "<", ">"])
names = st.sampled_from(["accuracy", "loss", "top-1", "iou.mean", "F1_score", "dense_ms"])
blanks = st.sampled_from(["", " ", "  "])


@given(names, operators, numbers, blanks)
def test_number_bound(name: str, operator: str, number: float, blank: str):
    rule = Constraint.parse(f"{blank}{name} {operator}{blank}{number!r}{blank}")
    assert rule == Constraint(name, operator, 0.0, number)
    assert rule.bound({}) == number


@given(operators, st.sampled_from("*+-"), amounts, st.floats(0.1, 100), blanks)
def test_dense_bound(operator: str, sign: str, amount: float, dense: float, blank: str):
    rule = Constraint.parse(f"x{operator}{blank}dense{blank}{sign}{blank}{amount!r}")
    expected = {"*": dense * amount, "+": dense + amount, "-": dense - amount}[sign]
    assert rule.bound({"x": dense}) == pytest.approx(expected)


@given(names, operators, st.sampled_from(["", "* 0.5", "* 2", "- 0.01", "+ 3"]))
def test_text_round_trip(name: str, operator: str, change: str):
    rule = Constraint.parse(f"{name} {operator} dense {change}")
    assert Constraint.parse(str(rule)) == rule


@given(operators, numbers, numbers)
def test_holds_as_python_compares_and_violation_agrees(op: str, value: float, bound: float):
    rule = Constraint.parse(f"x {op} {bound!r}")
    if value != bound and math.isclose(value, bound, rel_tol=1e-9):
        return
    truth = {
        "<=": value <= bound,
        ">=": value >= bound,
        "<": value < bound,
        ">": value > bound,
    }[op]
    assert rule.holds({"x": value}, {}) == truth
    assert (rule.violation({"x": value}, {}) <= 0) == truth


def test_rounding_does_not_break_a_bound():
    assert 0.8 - 0.1 > 0.7
    rule = Constraint.parse("accuracy >= dense - 0.1")
    assert rule.holds({"accuracy": 0.7}, {"accuracy": 0.8})


def test_violation_grows_with_the_distance():
    rule = Constraint.parse("latency <= dense * 0.5")
    violations = [rule.violation({"latency": x}, {"latency": 4.0}) for x in (1, 2, 3, 4)]
    assert violations == [-1, 0, 1, 2]


@pytest.mark.parametrize("operator", ["<=", ">=", "<", ">"])
def test_nan_holds_nowhere(operator: str):
    rule = Constraint.parse(f"x {operator} 1")
    assert rule.violation({"x": math.nan}, {}) == math.inf
    assert not rule.holds({"x": math.nan}, {})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "accuracy",
        "accuracy >=",
        "accuracy = 0.9",
        "accuracy == 0.9",
        ">= 0.9",
        "accuracy >= dense * ",
        "accuracy >= dense / 2",
        "accuracy >= dense - dense",
        "accuracy >= 0.5 and loss < 1",
        "accuracy >= nan",
        "0.9 <= accuracy",
        "accuracy >= __import__('os')",
        "accuracy >= 1 2",
    ],
)
def test_what_is_none_shows_the_grammar(text: str):
    with pytest.raises(UsageError, match=r"for example 'accuracy >= dense - 0.01'"):
        Constraint.parse(text)


def test_unknown_objective_offers_the_nearest():
    with pytest.raises(UsageError, match=r"'acuracy > 1'.*did you mean 'accuracy'"):
        Constraint.parse("acuracy > 1", known=["accuracy", "latency"])
    assert Constraint.parse("latency > 1", known=["latency"]).objective == "latency"
