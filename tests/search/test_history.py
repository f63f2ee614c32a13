"""Trials as the strategy reads them."""

from dataclasses import replace
from types import ModuleType

from optuna.trial import TrialState, create_trial

from hierprune.search.history import Reader, current, has_result, read


def test_a_record_says_what_the_ledger_wrote(toy: ModuleType) -> None:
    proposal = toy.make_proposer(4)([], True)
    trial = toy.told(proposal, 7, toy.score(proposal), rung=2, parent=3, retry_of=5)
    record = read(trial)
    assert (record.number, record.rung, record.parent, record.retry_of) == (7, 2, 3, 5)
    assert record.values == toy.score(proposal)
    assert record.plan == proposal.plan.to_json()


def test_trials_that_have_only_begun_have_no_values() -> None:
    begun = create_trial(state=TrialState.RUNNING)
    record = read(begun)
    assert (record.rung, record.parent, record.retry_of) == (0, None, None)
    assert record.values == {}
    assert record.interval == {}
    begun.set_user_attr("outcome", None)
    assert read(begun).values == {}


def test_a_trial_is_read_again_until_it_has_finished(toy: ModuleType) -> None:
    reader = Reader()
    proposal = toy.make_proposer(4)([], True)
    running = toy.told(proposal, 2, None)
    running.state = TrialState.RUNNING
    assert reader(running).values == {}
    done = toy.told(proposal, 2, toy.score(proposal))
    assert reader(done).values == toy.score(proposal)
    assert reader(done) is reader(done)


def test_a_plan_of_an_earlier_version_is_the_same_plan(toy: ModuleType) -> None:
    proposal = toy.make_proposer(4)([], True)
    below, above = (
        read(toy.told(proposal, n, toy.score(proposal), rung=n, parent=0)) for n in (0, 1)
    )
    old = {name: value for name, value in below.plan.items() if name != "quantization"}
    assert current([replace(below, plan=old), above]) == [above]


def test_a_mended_trial_without_a_plan_has_no_result(toy: ModuleType) -> None:
    proposal = toy.make_proposer(4)([], True)
    done = toy.told(proposal, 0, toy.score(proposal))
    assert has_result(done)
    stripped = {k: v for k, v in done.user_attrs.items() if k != "plan"}
    assert not has_result(
        create_trial(state=TrialState.COMPLETE, values=[0.0], user_attrs=stripped)
    )
