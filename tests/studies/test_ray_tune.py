"""Ray behaves as the local executor does: same endings, same sequence, nothing left behind."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos import Launcher, audit, run_to_end
from toy import DIRECTIONS, proposer

from hierprune.errors import UsageError
from hierprune.studies.drive import drive
from hierprune.studies.executor import Executor, RecipeSpec
from hierprune.studies.ledger import MAX_ATTEMPTS, Ledger
from hierprune.studies.local import LocalExecutor
from hierprune.studies.ray_cluster import cluster
from hierprune.studies.ray_tune import RayExecutor
from hierprune.studies.signals import clean_stop
from hierprune.studies.storage import open_storage
from hierprune.studies.trial import Outcome

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.usefixtures("_ray_alone"),
]


@pytest.fixture(scope="module")
def _cluster(_ray_alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One private cluster for the tests of this module, which the executors then find running."""
    with cluster(RayExecutor(2, tmp_path_factory.mktemp("cluster"))):
        yield


def run(
    executor: Executor, folder: Path, endings: list[str], factory: str = "toy:recipe"
) -> Ledger:
    """A study whose first plans end as told, and six good ones in all."""
    rest = iter(endings)
    propose = proposer(ending=lambda _: next(rest, "ok"))
    recipe = RecipeSpec(factory, {"run": str(folder)})
    with Ledger(open_storage(folder), folder, DIRECTIONS, propose, 6) as ledger:
        drive(ledger, executor, recipe, threading.Event())
    return ledger


def kinds(ledger: Ledger) -> list[str]:
    return [t.user_attrs["outcome"]["kind"] for t in ledger.trials()]


@pytest.mark.usefixtures("_cluster")
def test_one_worker_gives_the_sequence_of_the_local_executor(tmp_path: Path) -> None:
    endings = ["raise", "nan", "ok", "missing", "exit", "memory"]
    folders = [tmp_path / "ray", tmp_path / "local"]
    executors = [RayExecutor(1, folders[0]), LocalExecutor(1, folders[1])]
    ray, local = (run(e, f, list(endings)) for e, f in zip(executors, folders, strict=True))
    assert [(t.number, t.params, t.values, t.state) for t in ray.trials()] == [
        (t.number, t.params, t.values, t.state) for t in local.trials()
    ]
    assert kinds(ray) == kinds(local)
    expected = ["exception", "non-finite", "", "non-finite", "exception", "exception"]
    assert kinds(ray)[:6] == expected


@pytest.mark.usefixtures("_cluster")
def test_dead_and_hung_workers_are_survived(tmp_path: Path) -> None:
    executor = RayExecutor(2, tmp_path, trial_timeout=2)
    ledger = run(executor, tmp_path, ["kill", "hang", "kill once", "terminate once"])
    counts = ledger.counts()
    assert (counts["complete"], counts["failed"], counts["running"]) == (6, 2, 0)
    assert sorted(k for k in kinds(ledger) if k) == ["died"] * (MAX_ATTEMPTS + 2) + ["timeout"]


@pytest.mark.usefixtures("_cluster")
def test_a_broken_factory_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="'toy:broken' cannot be built") as error:
        run(RayExecutor(2, tmp_path), tmp_path, [], factory="toy:broken")
    assert "FileNotFoundError: no dense weights here" in str(error.value)


@pytest.mark.usefixtures("_cluster")
def test_a_factory_that_kills_its_process_ends_the_study(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="'toy:dying' cannot be built"):
        run(RayExecutor(2, tmp_path), tmp_path, [], factory="toy:dying")


@pytest.mark.usefixtures("_cluster")
def test_a_tell_that_raises_ends_the_run_with_its_error(tmp_path: Path) -> None:
    def tell(outcome: Outcome) -> None:
        raise OSError("No space left on device")

    recipe = RecipeSpec("toy:recipe", {"run": str(tmp_path)})
    with (
        Ledger(open_storage(tmp_path), tmp_path, DIRECTIONS, proposer(), 6) as ledger,
        pytest.raises(OSError, match="No space left"),
    ):
        RayExecutor(2, tmp_path).run(recipe, ledger.ask, tell, threading.Event())


@pytest.mark.usefixtures("_cluster")
def test_what_this_machine_does_not_have_is_a_usage_error(tmp_path: Path) -> None:
    executor = RayExecutor(1, tmp_path, resources={"cpu": 1, "quantum": 0.5})
    with pytest.raises(UsageError, match=r"takes cpu=1, quantum=0\.5, which this machine does not"):
        run(executor, tmp_path, [])


def test_settings_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="workers must be 1 or more on Ray, got 0"):
        RayExecutor(0, tmp_path)
    with pytest.raises(UsageError, match="trial_timeout must be positive"):
        RayExecutor(1, tmp_path, trial_timeout=-1)


@pytest.mark.usefixtures("_cluster")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR1])
def test_a_signal_lets_the_running_trials_finish(tmp_path: Path, number: signal.Signals) -> None:
    recipe = RecipeSpec("toy:recipe", {"run": str(tmp_path), "seconds": 0.1})
    with (
        clean_stop(threading.Event()) as stop,
        Ledger(open_storage(tmp_path), tmp_path, DIRECTIONS, proposer(), 500) as ledger,
    ):

        def tell(outcome: Outcome) -> None:
            ledger.tell(outcome)
            if not stop.is_set():
                os.kill(os.getpid(), number)

        RayExecutor(2, tmp_path).run(recipe, ledger.ask, tell, stop)
        counts = ledger.counts()
    assert 1 <= counts["complete"] <= 3
    assert counts["running"] == 0


def test_a_killed_driver_loses_nothing_and_leaves_nobody(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path, ["--trials", "20", "--seconds", "0.1", "--executor", "ray"])
    launcher.start()
    launcher.wait_for_results(5)
    launcher.send(signal.SIGKILL)
    launcher.wait()
    run_to_end(launcher)
    assert audit(tmp_path).faults(expected=20) == []
