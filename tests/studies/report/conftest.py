"""Synthetic studies through the real storage, and a headless browser to look at their reports."""

from __future__ import annotations

import itertools
import json
import math
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState

from hierprune.pruners.plan import PruningPlan, Recovery
from hierprune.pruners.tree import Excluded, Group, ModelTree
from hierprune.search.space import SpaceOptions
from hierprune.studies.book import Book
from hierprune.studies.run_record import DenseInfo, ObjectiveInfo, RunRecord
from hierprune.studies.storage import JOURNAL
from hierprune.studies.study import Study

INFOS = {
    "accuracy": ObjectiveInfo("accuracy", "", "maximize"),
    "latency": ObjectiveInfo("latency", "ms", "minimize"),
    "compression": ObjectiveInfo("compression", "x", "maximize"),
    "loss": ObjectiveInfo("loss", "", "minimize"),
    "params": ObjectiveInfo("params", "", "minimize"),
    "macs": ObjectiveInfo("macs", "", "minimize"),
}
DENSE = {
    "accuracy": 0.984,
    "latency": 2.4,
    "compression": 1.0,
    "loss": 0.05,
    "params": 1.0,
    "macs": 1.0,
}
START = datetime(2026, 3, 1, 9, 0, 0)


@dataclass(frozen=True)
class Toy:
    """What a synthetic study looks like."""

    trials: int = 40
    failures: int = 3
    groups: int = 6
    objectives: tuple[str, ...] = ("accuracy", "latency", "compression")
    where: tuple[str, ...] = ("accuracy >= dense - 0.01",)
    name: str = "toy-task"
    data: str = "toy data"
    errors: tuple[str, ...] = field(
        default=(
            'Traceback (most recent call last):\n  File "task.py", line 3\nValueError: <b>no</b>',
            "Traceback (most recent call last):\nRuntimeError: out of memory",
        )
    )


class ListJournal(BaseJournalBackend):
    """A journal in memory, written to its file once at the end."""

    def __init__(self) -> None:
        self.logs: list[dict[str, Any]] = []

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        return itertools.islice(iter(self.logs[log_number_from:]), None)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.logs.extend(json.loads(json.dumps(logs)))


def group_names(count: int) -> list[str]:
    return [f"stage{i // 4 + 1}.{i % 4}.conv" for i in range(count)]


def run_record(toy: Toy) -> RunRecord:
    return RunRecord(
        task=toy.name,
        data=toy.data,
        source=None,
        objectives=tuple(INFOS[n] for n in toy.objectives),
        measured=tuple(INFOS.values()),
        where=toy.where,
        space=SpaceOptions(),
        recovery=Recovery(),
        strategy="tpe",
        n_trials=toy.trials,
        max_epochs=0.0,
        seed=1,
        storage=None,
        dense=DenseInfo(
            "ab" * 32,
            "cd" * 32,
            DENSE,
            {"accuracy": (0.979, 0.989)},
            {"accuracy": 0.1, "loss": 2.3},
            61706,
            416520,
        ),
        versions={"hierprune": "0.1.0", "torch": "2.13.0"},
        created="2026-03-01T09:00:00+00:00",
    )


def measured_values(rng: random.Random, ratio: float) -> dict[str, float]:
    """A model whose quality falls with the ratio, the later the luckier its plan."""
    luck = rng.betavariate(2, 3)
    kept = 1 - ratio
    accuracy = 0.1 + 0.886 * (1 - math.exp(-(2 + 20 * luck) * kept))
    return {
        "accuracy": accuracy,
        "latency": 2.4 * (0.25 + 0.75 * kept ** (0.6 + rng.random())),
        "compression": 1 / (kept * rng.uniform(0.9, 1.1) + 0.01),
        "loss": -math.log(max(accuracy - 0.02, 0.01)),
        "params": kept,
        "macs": kept ** rng.uniform(0.7, 1.2),
    }


def plan_of(rng: random.Random, toy: Toy, ratio: float) -> PruningPlan:
    density = {g: min(1.0, max(0.02, rng.gauss(1 - ratio, 0.2))) for g in group_names(toy.groups)}
    allocation = rng.choice(["uniform", "global", "erk", "lamp"])
    return PruningPlan("channel", "activation", allocation, ratio, "params", density)


def frozen(toy: Toy, number: int, rng: random.Random, error: str = "") -> FrozenTrial:
    """One finished trial with everything the ledger leaves on it."""
    ratio = rng.uniform(0.1, 0.97)
    values = {} if error else measured_values(rng, ratio)
    outcome = {
        "values": values,
        "interval": {}
        if error
        else {
            "accuracy": [values["accuracy"] - 0.004, values["accuracy"] + 0.004],
            "latency": [values["latency"] * 0.97, values["latency"] * 1.03],
        },
        "seconds": {} if error else {"cut": 0.2, "recover": 2.0, "measure": 0.8},
        "kind": "exception" if error else "",
        "error": error,
    }
    plan = plan_of(rng, toy, ratio)
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=TrialState.FAIL if error else TrialState.COMPLETE,
        value=None,
        values=None if error else [values[n] for n in toy.objectives],
        datetime_start=START + timedelta(seconds=2 * number),
        datetime_complete=START + timedelta(seconds=2 * number + 3),
        params={"channel.density": 1 - ratio},
        distributions={"channel.density": FloatDistribution(0.01, 1.0)},
        user_attrs={
            "plan": plan.to_json(),
            "rung": 0,
            "parent": None,
            "attempt": 1,
            "owner": "a",
            "sampler": {},
            "outcome": outcome,
        },
        system_attrs={},
        intermediate_values={},
    )


def trials_of(toy: Toy) -> Iterator[FrozenTrial]:
    rng = random.Random(0)
    total = toy.trials + toy.failures
    failing = set(random.Random(1).sample(range(total), toy.failures))
    for number in range(total):
        error = toy.errors[number % len(toy.errors)] if number in failing else ""
        yield frozen(toy, number, rng, error)


def write_study(run: Path, toy: Toy) -> Study:
    """The study of a toy, in a run folder made for it."""
    run.mkdir(parents=True)
    record = run_record(toy)
    record.save(run)
    journal = ListJournal()
    book = Book(JournalStorage(journal), "hierprune", record.directions)
    for trial in trials_of(toy):
        book.add(trial)
    lines = (json.dumps(log, separators=(",", ":")) + "\n" for log in journal.logs)
    (run / JOURNAL).write_text("".join(lines))
    return Study.open(run)


def write_tree(run: Path, toy: Toy) -> None:
    """A tree beside the study, as the preparation of a launch caches it."""
    names = group_names(toy.groups)
    tree = ModelTree(
        groups=tuple(Group(n, n.split(".")[0], "channel", (), 16) for n in names),
        weights=(),
        tensors=(),
        excluded=(
            Excluded("head.fc", "makes the outputs"),
            Excluded("gate", "a product of <two> activations"),
        ),
    )
    (run / "cache").mkdir(exist_ok=True)
    (run / "cache" / "tree.json").write_text(json.dumps(tree.to_json()))


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., Study]:
    """``make_study(**options)``: a study of :class:`Toy` with its tree in a new run folder."""

    def make(name: str = "run", **options: Any) -> Study:
        toy = Toy(**options)
        study = write_study(tmp_path / name, toy)
        write_tree(study.run, toy)
        return study

    return make


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
