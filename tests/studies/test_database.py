"""The same promises on real databases: PostgreSQL on the loopback, and SQLite."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos import Launcher, audit, run_to_end, storm
from optuna.storages import BaseStorage
from postgres import install, server
from toy import DIRECTIONS, proposer

from hierprune.studies.ledger import Ledger
from hierprune.studies.storage import open_storage
from hierprune.studies.trial import Outcome


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of a fresh server that ends with the module."""
    if missing := install():
        pytest.skip(missing)
    with server() as url:
        yield url


@pytest.fixture(params=["postgres", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/study.db"
    found: str = request.getfixturevalue("postgres")
    return found


def test_ask_tell_and_recover(tmp_path: Path, url: str) -> None:
    storage = open_storage(tmp_path, url)

    def open_ledger() -> Ledger:
        return Ledger(storage, tmp_path, DIRECTIONS, proposer(), 4, name="first")

    dead = open_ledger()
    lost = dead.ask()
    assert lost is not None
    dead._pulse.close()
    with open_ledger() as ledger:
        plans = []
        while (trial := ledger.ask()) is not None:
            plans.append(trial.plan)
            ledger.tell(Outcome(trial.number, dict.fromkeys(DIRECTIONS, 1.0)))
        assert plans[0] == lost.plan
        assert ledger.counts()["complete"] == len(plans) == 4
        assert ledger.trials()[0].user_attrs["outcome"]["kind"] == "died"
    close(storage)


def close(storage: BaseStorage) -> None:
    """Give back the connections, which are the process's as long as it lives."""
    storage._backend.engine.dispose()  # type: ignore[attr-defined]


@pytest.mark.slow
def test_two_launchers_killed_in_turn_keep_the_budget(tmp_path: Path, url: str) -> None:
    options = ["--trials", "20", "--seconds", "0.1", "--workers", "1", "--storage", url]
    launchers = [Launcher(tmp_path, options), Launcher(tmp_path, options)]
    storm(launchers, rounds=2, rng=random.Random(2))
    run_to_end(launchers[0])
    storage = open_storage(tmp_path, url)
    assert audit(tmp_path, storage).faults(expected=20) == []
    close(storage)
