"""Every point of every space means a valid plan with the exact budget."""

import json
from types import ModuleType

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierprune.errors import UsageError
from hierprune.search.space import SearchSpace, SpaceOptions

KINDS = st.sampled_from(["hierarchical", "flat", "global"])
GRANULARITIES = st.sampled_from([("channel",), ("weight",), ("channel", "weight")])


def draw(space: SearchSpace, seed: int) -> dict[str, object]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    trial = study.ask()
    space.suggest(trial)
    return dict(trial.params)


@settings(max_examples=60, deadline=None)
@given(kind=KINDS, granularities=GRANULARITIES, seed=st.integers(0, 10_000))
def test_every_point_gives_a_plan_within_its_budget(
    toy: ModuleType, kind: str, granularities: tuple[str, ...], seed: int
) -> None:
    space = toy.make_space(kind=kind, granularities=granularities)
    params = draw(space, seed)
    plan = space.plan(params)
    cost = space.landscapes[plan.granularity].cost
    widths = cost.vector(plan.density)
    assert set(plan.density) == set(cost.names)
    assert ((widths >= 1) & (widths <= cost.widths)).all()
    assert cost.share(widths, "params") == pytest.approx(1 - plan.ratio)
    if kind != "flat":
        asked = params[f"{plan.granularity}.density"]
        floor = cost.share(np.ones_like(widths), "params")
        assert 1 - plan.ratio <= max(asked, floor) + 1 / cost.cost(cost.widths, "params")


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_local_offsets_do_not_change_what_is_kept_globally(toy: ModuleType, seed: int) -> None:
    space = toy.make_space()
    chosen = {"channel.density": 0.4, "channel.local": "layer", "channel.allocation": "uniform"}
    params = draw(space, seed) | chosen
    generator = np.random.default_rng(seed)
    offsets = {f"channel.layer:{i}": float(generator.uniform(-1.5, 1.5)) for i in range(4)}
    cost = space.landscapes["channel"].cost
    plain = space.plan({k: v for k, v in params.items() if ":" not in k})
    bent = space.plan(params | offsets)
    largest = max(
        cost.share(cost.widths, "params") - cost.share(cost.widths - step, "params")
        for step in np.eye(4, dtype=np.int64)
    )
    assert abs(plain.ratio - bent.ratio) < largest


def test_local_offsets_bend_the_split(toy: ModuleType) -> None:
    space = toy.make_space()
    base = {"channel.density": 0.4, "channel.allocation": "uniform", "channel.local": "layer"}
    bent = space.plan(base | {"channel.layer:0": 1.0, "channel.layer:2": -1.0}).density
    plain = space.plan(base).density
    assert bent["0"] > plain["0"]
    assert bent["2"] < plain["2"]


def test_equal_points_give_equal_plans_and_the_granularity_counts(toy: ModuleType) -> None:
    space = toy.make_space(granularities=("channel", "weight"))
    params = {"granularity": "weight", "weight.density": 0.3, "weight.allocation": "lamp"}
    assert space.plan(params) == space.plan(dict(params))
    assert space.plan(params).granularity == "weight"
    assert space.plan(params).criterion == "l1"


def test_a_global_space_has_one_parameter(toy: ModuleType) -> None:
    assert list(draw(toy.make_space(kind="global"), 0)) == ["channel.density"]


def test_stages_are_opened_before_layers(toy: ModuleType) -> None:
    space = toy.make_space()
    depths = {"none": 0, "stage": 0, "layer": 0}
    for seed in range(40):
        params = draw(space, seed)
        depth = str(params["channel.local"])
        depths[depth] += 1
        assert any(k.startswith("channel.stage:") for k in params) == (depth != "none")
        assert any(k.startswith("channel.layer:") for k in params) == (depth == "layer")
    assert min(depths.values()) > 0


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 0.5), (-0.1, 0.5), (0.1, 1.5), (0.5, 0.5), (0.6, 0.4)]
)
def test_densities_out_of_range_are_refused(low: float, high: float) -> None:
    with pytest.raises(UsageError, match="density"):
        SpaceOptions(min_density=low, max_density=high)


def test_options_are_plain_data() -> None:
    options = SpaceOptions(granularities=("weight",), budget="macs", min_density=0.01)
    assert SpaceOptions.from_json(json.loads(json.dumps(options.to_json()))) == options


def test_sensitivities_are_left_out_where_they_do_not_pay() -> None:
    bases = {"channel": ("uniform", "dp"), "weight": ("lamp", "dp")}
    options = SpaceOptions(granularities=("channel", "weight"), allocations=bases)
    few = options.settled({"channel": 3, "weight": 4})
    many = options.settled({"channel": 12, "weight": 21})
    assert "dp" not in few.allocations["channel"] + few.allocations["weight"]
    assert "dp" in many.allocations["channel"]
    alone = SpaceOptions(allocations={"channel": ("dp",)})
    assert alone.settled({"channel": 3}).allocations["channel"] == ("dp",)


def test_a_few_structures_are_searched_flat_unless_asked_otherwise() -> None:
    assert SpaceOptions().settled({"channel": 3}).kind == "flat"
    assert SpaceOptions().settled({"channel": 5}).kind == "hierarchical"
    weights = SpaceOptions(granularities=("weight",))
    assert weights.settled({"weight": 4}).kind == "hierarchical"
    assert SpaceOptions(kind="hierarchical").settled({"channel": 3}).kind == "hierarchical"
