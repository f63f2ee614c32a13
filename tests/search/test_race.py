"""The race of the base allocations: who runs, who wins, and what is held afterwards."""

from types import ModuleType

import pytest

from hierprune.search.history import Record, read
from hierprune.search.race import HEATS, SWEEP, held, opening, winner

BASES = ("dp", "uniform", "global", "erk", "lamp")


def ran(toy: ModuleType, allocation: str, accuracy: float, params: float = 0.3) -> Record:
    """A finished trial of one allocation."""
    proposal = toy.make_proposer(4)([], True)
    plan = proposal.plan.to_json() | {"allocation": allocation}
    return read(toy.told(proposal, 0, {"accuracy": accuracy, "params": params}, plan=plan))


def test_the_base_with_the_most_hypervolume_wins(toy: ModuleType) -> None:
    records = [ran(toy, "erk", 0.7), ran(toy, "erk", 0.6, 0.1), ran(toy, "lamp", 0.75)]
    assert winner(toy.make_space(), toy.make_goal(), records)[1]["channel.allocation"] == "erk"
    better = [*records, ran(toy, "lamp", 0.85, 0.2)]
    assert winner(toy.make_space(), toy.make_goal(), better)[1]["channel.allocation"] == "lamp"


def test_of_equals_the_first_wins(toy: ModuleType) -> None:
    assert winner(toy.make_space(), toy.make_goal(), [])[1]["channel.allocation"] == BASES[0]


def test_heats_of_all_come_before_the_sweep_of_the_winner(toy: ModuleType) -> None:
    space, goal = toy.make_space(), toy.make_goal()
    records = [ran(toy, "erk", 0.8)]
    points = [opening(space, goal, records, i, 1000) for i in range(100)]
    names = [p["channel.allocation"] for p in points if p is not None]
    assert names == [*BASES * HEATS, *["erk"] * SWEEP]
    assert all(p is None for p in points[len(names) :])
    own = [p["channel.density"] for p in points if p and p["channel.allocation"] == "erk"]
    assert len(set(own)) == HEATS + SWEEP


@pytest.mark.parametrize("n_trials", [0, 1, 2, 7, 20, 40])
def test_half_of_the_trials_are_left_to_the_sampler(toy: ModuleType, n_trials: int) -> None:
    space, goal = toy.make_space(), toy.make_goal()
    points = [opening(space, goal, [], i, n_trials) for i in range(n_trials)]
    assert sum(p is not None for p in points) <= n_trials // 2


def test_only_what_varies_is_held(toy: ModuleType) -> None:
    records = [ran(toy, "erk", 0.8)]
    several = toy.make_space(granularities=("channel", "weight"))
    goal = toy.make_goal()
    assert held(several, goal, records) == {"granularity": "channel", "channel.allocation": "erk"}
    alone = toy.make_space(allocations={"channel": ("erk",)})
    assert held(alone, goal, records) == {}
