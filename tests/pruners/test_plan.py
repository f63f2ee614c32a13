"""Plans as plain data."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierprune.errors import UsageError
from hierprune.pruners.plan import PruningPlan, Recovery

RECOVERIES = st.builds(
    Recovery,
    reconstruct=st.booleans(),
    sequential=st.booleans(),
    recalibrate=st.booleans(),
    epochs=st.floats(0, 100),
    lr=st.floats(1e-6, 1),
    distil=st.floats(0, 1),
)
SHARES = st.floats(0, 1, exclude_min=True)
KEEPS = st.dictionaries(st.text("xyz", max_size=3), st.lists(st.integers(0, 99)).map(tuple))
PLANS = st.builds(
    PruningPlan,
    granularity=st.sampled_from(["channel", "weight", "2:4"]),
    criterion=st.sampled_from(["l1", "activation"]),
    allocation=st.sampled_from(["erk", "flat"]),
    ratio=st.floats(0, 1, exclude_max=True),
    budget=st.sampled_from(["units", "params", "macs"]),
    density=st.dictionaries(st.text("xyz.", max_size=3), SHARES, max_size=4),
    recovery=RECOVERIES,
    seed=st.integers(0, 2**31),
    dense_sha256=st.text("0123abcd", max_size=8),
    keep=st.none() | KEEPS,
    quantization=st.sampled_from(["none", "dynamic", "static"]),
)


@given(plan=PLANS)
def test_json_gives_an_equal_plan_back(plan):
    again = PruningPlan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    assert hash(again) == hash(plan)
    assert again.digest() == plan.digest()
    assert again.to_json() == plan.to_json()


def test_a_plan_that_says_nothing_of_quantisation_has_none():
    plan = PruningPlan("channel", "l1", "erk", 0.5, "units", {"a": 0.5})
    old = {k: v for k, v in plan.to_json().items() if k != "quantization"}
    assert PruningPlan.from_json(old) == plan
    with pytest.raises(UsageError, match="did you mean 'static'"):
        PruningPlan.from_json(old | {"quantization": "statc"})


@given(plan=PLANS)
def test_equal_plans_have_equal_digests_whatever_wrote_them(plan):
    data = plan.to_json()
    data["density"] = dict(reversed(data["density"].items()))
    again = PruningPlan.from_json(dict(reversed(data.items())))
    assert again == plan
    assert again.digest() == plan.digest()


def test_whole_numbers_are_the_same_decision():
    whole = PruningPlan("channel", "l1", "erk", 0, "units", {"a": 1})
    real = PruningPlan("channel", "l1", "erk", 0.0, "units", {"a": 1.0})
    assert whole == real
    assert hash(whole) == hash(real)


PLAN = PruningPlan("channel", "l1", "erk", 0.25, "macs", {"a": 0.5}, keep={"a": (0, 2)})


@pytest.mark.parametrize(
    "change",
    [
        {"granularity": "weight"},
        {"criterion": "l2"},
        {"allocation": "lamp"},
        {"ratio": 0.26},
        {"budget": "params"},
        {"density": {"a": 0.51}},
        {"density": {"b": 0.5}},
        {"recovery": Recovery(epochs=1.0).__dict__},
        {"seed": 4},
        {"dense_sha256": "ab"},
    ],
)
def test_every_part_of_the_decision_counts(change):
    other = PruningPlan.from_json(PLAN.to_json() | change)
    assert other.digest() != PLAN.digest()


def test_what_the_ranking_kept_is_no_part_of_the_decision():
    ranked = PruningPlan.from_json(PLAN.to_json() | {"keep": {"a": [1, 3]}})
    assert ranked.digest() == PLAN.digest()
    assert ranked != PLAN


@pytest.mark.parametrize(
    "damage",
    [
        {"format": 9},
        {"ratio": 1.0},
        {"ratio": -0.1},
        {"ratio": "half"},
        {"ratio": float("nan")},
        {"density": {"a": 0.0}},
        {"density": {"a": 1.1}},
        {"density": {"a": float("nan")}},
        {"density": {"a": None}},
        {"density": 5},
        {"recovery": {"magic": 1}},
        {"recovery": None},
        {"recovery": {"epochs": -1.0}},
        {"keep": 3},
        {"keep": {"a": 3}},
    ],
)
def test_what_is_no_plan_is_refused(damage):
    with pytest.raises(UsageError):
        PruningPlan.from_json(PLAN.to_json() | damage)


@pytest.mark.parametrize("data", [{}, {"format": 1}, [], None, "plan", 3])
def test_what_is_no_plan_at_all_is_refused(data):
    with pytest.raises(UsageError, match="not a plan"):
        PruningPlan.from_json(data)


def test_blocks_alone_may_go_whole():
    assert PruningPlan("block", "l1", "global", 0.1, "units", {"a": 0}).density == {"a": 0}
    with pytest.raises(UsageError, match="'a'"):
        PruningPlan("channel", "l1", "global", 0.1, "units", {"a": 0})


@pytest.mark.parametrize("wrong", [{"distil": 1.5}, {"distil": -1}, {"epochs": -1}, {"lr": 0}])
def test_recoveries_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError, match=str(next(iter(wrong)))):
        Recovery(**wrong)
