"""What a trial carries in the record of a study, as user attributes of plain JSON.

    plan       the pruning plan, layout of ``plan.json``
    rung       0 for the first trial of a plan
    parent     number of the trial one rung below, or null
    attempt    1, counted up by every retry
    owner      the launcher that runs or ran it (see ``liveness``)
    retry_of   number of the trial that this one repeats; only on retries
    sampler    what the sampler left on the trial for its next proposals
    outcome    once told: everything measured as ``values``, ``interval`` by objective, ``seconds``
               by step, ``kind`` and ``error``

The values of the study's objectives stand in the trial itself too, in their order. A finished
trial is COMPLETE, or FAIL with a ``kind``. A FAIL that a later trial names in ``retry_of`` was
interrupted and is no failure of its plan; every other FAIL is final.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from ..pruners.plan import PruningPlan
from ..search.proposal import Proposal
from .trial import Outcome, Trial


def first_attempt(proposal: Proposal, owner: str) -> FrozenTrial:
    """A running trial of a proposal, ready to be stored in one write."""
    return create_trial(
        state=TrialState.RUNNING,
        params=dict(proposal.params),
        distributions=dict(proposal.distributions),
        user_attrs={
            "plan": proposal.plan.to_json(),
            "rung": proposal.rung,
            "parent": proposal.parent,
            "attempt": 1,
            "owner": owner,
            "sampler": dict(proposal.sampler),
        },
    )


def next_attempt(trial: FrozenTrial, attempt: int) -> FrozenTrial:
    """A waiting copy of an interrupted trial: its parameters and its plan, nothing else."""
    kept = {k: trial.user_attrs[k] for k in ("plan", "rung", "parent", "sampler")}
    return create_trial(
        state=TrialState.WAITING,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=kept | {"attempt": attempt, "retry_of": trial.number},
    )


def is_ours(trial: FrozenTrial) -> bool:
    """Whether a trial of the study holds a plan."""
    return "plan" in trial.user_attrs


def to_trial(trial: FrozenTrial) -> Trial:
    """The stored trial as its worker takes it."""
    attributes = trial.user_attrs
    return Trial(
        number=trial.number,
        plan=PruningPlan.from_json(attributes["plan"]),
        rung=attributes["rung"],
        parent=attributes["parent"],
        attempt=attributes["attempt"],
    )


def half_told(trial: FrozenTrial) -> Outcome | None:
    """The outcome of a running trial whose launcher died between the two writes of telling it."""
    told = trial.user_attrs.get("outcome")
    if told is None:
        return None
    attempt = trial.user_attrs["attempt"]
    return Outcome.from_json({"number": trial.number, "attempt": attempt, **told})


def outcome_record(outcome: Outcome) -> dict[str, Any]:
    """The attribute ``outcome``."""
    data = outcome.to_json()
    return {k: data[k] for k in ("values", "seconds", "interval", "kind", "error")}


def checked(outcome: Outcome, objectives: Iterable[str]) -> Outcome:
    """The outcome, as a failure when an objective is missing or not finite, or the loss is NaN.

    Metrics of NaN outputs may be numbers: the largest of several NaN has an index, so that there is
    an accuracy.
    """
    if outcome.error or outcome.kind:
        kind = outcome.kind or "exception"
        return replace(outcome, values={}, interval={}, kind=kind, error=outcome.error or kind)
    faults = [fault for name in objectives if (fault := fault_of(outcome.values, name))]
    error = f"every objective must be a finite number: {'; '.join(faults)}"
    if not faults:
        if not math.isnan(outcome.values.get("loss", 0.0)):
            return outcome
        error = "the loss is NaN, so that no score of this model means anything"
    return replace(outcome, values={}, interval={}, kind="non-finite", error=error)


def fault_of(values: Mapping[str, float], name: str) -> str:
    """What is wrong with one value; empty when nothing is."""
    if name not in values:
        return f"{name!r} is missing, there is {', '.join(values) or 'nothing'}"
    return "" if math.isfinite(values[name]) else f"{name!r} is {values[name]}"
