"""What one-layer sensitivities cost, in trials."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..objectives.base import Candidate, Objective
from ..pruners.dense import Dense
from ..pruners.plan import PruningPlan
from ..pruners.prune import apply_plan, at_density
from ..task import Task
from .prepare import read_profile
from .recipe import measured
from .request import Request
from .wording import duration, worth

TYPICAL = 0.5
"""Density of the trial that is timed."""


def profile_costs(
    dense: Dense, task: Task, request: Request, measures: Sequence[Objective], cache: Path
) -> Iterator[str]:
    """How long each table of sensitivities took, beside a trial that is run for it.

    Args:
        dense: the model.
        task: as trials see it.
        request: names granularities, criteria and the recovery of trials.
        measures: what a trial measures.
        cache: where the sensitivities are.
    """
    space = request.space
    for granularity in space.granularities:
        for criterion in space.criteria[granularity]:
            profile = read_profile(cache, granularity, criterion)
            if "dp" in space.allocations[granularity] and profile is not None and profile.seconds:
                plan = PruningPlan(
                    granularity, criterion, "uniform", 0.0, space.budget, {}, request.recovery
                )
                start = time.perf_counter()
                model, _ = apply_plan(dense, at_density(dense, plan, TYPICAL))
                measured(Candidate(model, dense.model, task), measures)
                trial = time.perf_counter() - start
                yield (
                    f"one-layer sensitivities ({granularity}, {criterion}) took "
                    f"{duration(profile.seconds)}, as long as {worth(profile.seconds, trial)}"
                )
