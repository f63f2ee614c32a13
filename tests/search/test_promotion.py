"""Who goes up the rungs next, told by results so far."""

from types import ModuleType

from optuna.trial import FrozenTrial, TrialState

from hierprune.search.history import read
from hierprune.search.promotion import Promoter
from hierprune.search.rungs import Rungs


def plans(toy: ModuleType, scores: list[tuple[float, float]]) -> list[FrozenTrial]:
    """Finished plans of rung 0 with this accuracy and these parameters."""
    proposer = toy.make_proposer(len(scores), 0.0, "random")
    history: list[FrozenTrial] = []
    for accuracy, params in scores:
        proposal = proposer(history, True)
        values = {"accuracy": accuracy, "loss": 1 - accuracy, "params": params, "macs": params}
        history.append(toy.told(proposal, len(history), values))
    return history


def trained(toy: ModuleType, history: list[FrozenTrial], accuracy: float | None) -> int:
    """Let the plan that is next go up and come to this accuracy; its number on rung 0."""
    proposal = Promoter(toy.make_goal(), Rungs(1.0, len(history), share=1.0))(history)
    assert proposal is not None
    assert proposal.parent is not None
    below = read(history[proposal.parent]).values
    values = accuracy and {**below, "accuracy": accuracy, "loss": 1 - accuracy}
    history.append(toy.told(proposal, len(history), values))
    return proposal.parent


def test_the_plan_goes_up_that_training_is_worth_most_for(toy: ModuleType) -> None:
    ends_and_middle = [(0.89, 0.95), (0.88, 0.9), (0.5, 0.3), (0.89, 1.2)]
    assert trained(toy, plans(toy, ends_and_middle), 0.8) == 2


def test_neighbours_of_what_is_trained_wait(toy: ModuleType) -> None:
    history = plans(toy, [(0.5, 0.3), (0.49, 0.29), (0.3, 0.1)])
    assert 2 in {trained(toy, history, 0.8), trained(toy, history, 0.8)}


def test_a_plan_under_way_counts_as_what_is_expected_of_it(toy: ModuleType) -> None:
    history = plans(toy, [(0.5, 0.3), (0.49, 0.29), (0.3, 0.1)])
    first = trained(toy, history, 0.8)
    history[-1].state = TrialState.RUNNING
    history[-1].user_attrs["outcome"] = {}
    assert 2 in {first, trained(toy, history, 0.8)}


def test_dominated_plans_go_up_after_all_others(toy: ModuleType) -> None:
    history = plans(toy, [(0.3, 0.4), (0.8, 0.35), (0.3, 0.05), (0.2, 0.5)])
    order = [trained(toy, history, 0.85) for _ in range(4)]
    assert set(order[:2]) == {1, 2}
    assert order[2:] == [0, 3]


def test_a_failed_training_leaves_its_plan_where_it_stood(toy: ModuleType) -> None:
    history = plans(toy, [(0.5, 0.3), (0.3, 0.1)])
    first = trained(toy, history, None)
    assert {first, trained(toy, history, 0.8)} == {0, 1}
