"""A study without models: plans that say how their trial ends, and a recipe that obeys."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from hierprune.pruners.plan import PruningPlan
from hierprune.search.proposal import Proposal, Propose
from hierprune.studies.trial import Outcome, Trial

DIRECTIONS = {"accuracy": "maximize", "latency": "minimize", "size": "minimize"}


def proposal(seed: int, ending: str = "ok", parameters: int = 3, **options: int | None) -> Proposal:
    """A plan of ``parameters`` densities; ``ending`` is what its trial will do."""
    rng = random.Random(seed)
    density = {f"layer{i}": rng.uniform(0.1, 1.0) for i in range(parameters)}
    distribution = FloatDistribution(0.1, 1.0)
    plan = PruningPlan("channel", ending, "uniform", 0.5, "params", density, seed=seed)
    return Proposal(density, dict.fromkeys(density, distribution), plan, **options)


def proposer(
    *, parameters: int = 3, promote: bool = False, ending: Callable[[int], str] = lambda n: "ok"
) -> Propose:
    """A strategy: random plans seeded by their number; one in three goes up a rung."""

    def propose(trials: Sequence[FrozenTrial], fresh: bool) -> Proposal | None:
        if promote and (promoted := promotion(trials)):
            return promoted
        return proposal(len(trials), ending(len(trials)), parameters) if fresh else None

    return propose


def promotion(trials: Sequence[FrozenTrial]) -> Proposal | None:
    taken = {t.user_attrs["parent"] for t in trials}
    for t in trials:
        done = t.state == TrialState.COMPLETE and t.user_attrs["rung"] == 0
        if done and t.user_attrs["plan"]["seed"] % 3 == 0 and t.number not in taken:
            plan = PruningPlan.from_json(t.user_attrs["plan"])
            return Proposal(t.params, t.distributions, plan, rung=1, parent=t.number)
    return None


def recipe(run: str, seconds: float = 0.0) -> Callable[[Trial], Outcome]:
    """The factory that workers call; every evaluation is noted in ``RUN/evaluations.txt``."""

    def evaluate(trial: Trial) -> Outcome:
        time.sleep(seconds)
        values = ENDINGS[trial.plan.criterion](trial)
        with (Path(run) / "evaluations.txt").open("a") as file:
            file.write(f"{trial.number} {trial.plan.seed} {trial.rung}\n")
        return Outcome(trial.number, values=values, seconds={"total": seconds})

    return evaluate


def busy(seconds: float) -> Callable[[Trial], Outcome]:
    """A recipe that takes so much time of one processor."""

    def evaluate(trial: Trial) -> Outcome:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            sum(range(1000))
        return Outcome(trial.number, values=good(trial))

    return evaluate


def broken(**_: object) -> Callable[[Trial], Outcome]:
    """A factory that fails."""
    raise FileNotFoundError("no dense weights here")


def dying(**_: object) -> Callable[[Trial], Outcome]:
    """A factory that takes its process with it."""
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def chatty(**_: object) -> Callable[[Trial], Outcome]:
    """A recipe that prints and tells its number of threads."""

    def evaluate(trial: Trial) -> Outcome:
        print("a line on standard output")
        os.system("echo a line of the C library")
        return Outcome(trial.number, {"threads": float(os.environ["OMP_NUM_THREADS"])})

    return evaluate


def on_gpu() -> Callable[[Trial], Outcome]:
    """A recipe that tells which graphics processor it was given."""

    def evaluate(trial: Trial) -> Outcome:
        time.sleep(0.5)
        values = good(trial) | {"size": float(os.environ["CUDA_VISIBLE_DEVICES"])}
        return Outcome(trial.number, values)

    return evaluate


def good(trial: Trial) -> dict[str, float]:
    mean = sum(trial.plan.density.values()) / len(trial.plan.density)
    return {"accuracy": mean, "latency": mean**2, "size": mean}


def raises(trial: Trial) -> dict[str, float]:
    raise ZeroDivisionError(f"trial {trial.number} divides by zero")


def killed(trial: Trial) -> dict[str, float]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def killed_once(trial: Trial) -> dict[str, float]:
    return killed(trial) if trial.attempt == 1 else good(trial)


def terminated_once(trial: Trial) -> dict[str, float]:
    """As by a machine that shuts down."""
    if trial.attempt == 1:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(3600)
    return good(trial)


def hangs(trial: Trial) -> dict[str, float]:
    time.sleep(3600)
    return {}


def runs_out_of_memory(trial: Trial) -> dict[str, float]:
    """Asks for more than the process may have: half a gigabyte above what it holds."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + 2**29, limits[1]))
    try:
        return {"size": float(len(bytearray(2**30)))}
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def exits(trial: Trial) -> dict[str, float]:
    raise SystemExit(3)


ENDINGS: dict[str, Callable[[Trial], dict[str, float]]] = {
    "ok": good,
    "raise": raises,
    "nan": lambda trial: good(trial) | {"latency": float("nan")},
    "missing": lambda trial: {"accuracy": 0.5},
    "text": lambda trial: good(trial) | {"latency": "fast"},  # type: ignore[dict-item]
    "kill": killed,
    "kill once": killed_once,
    "terminate once": terminated_once,
    "exit": exits,
    "memory": runs_out_of_memory,
    "hang": hangs,
}
