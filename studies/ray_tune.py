"""Trials on a Ray cluster, by Ray Tune: the one file that knows Ray.

Tune is used for what it is good at: workers that keep what they have built, on any number of
machines. What to try and what came of it stays with ``ask`` and ``tell``: a thin searcher passes
both on, every launch is a fresh Tune experiment, and Tune's own files are thrown away.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray._private.accelerators import get_all_accelerator_managers
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from ..errors import UsageError
from .executor import Recipe, RecipeSpec, cannot_build, evaluate, failure
from .guard import keep_prints, watchdog
from .ray_settings import QUIET, environment, patiently, token
from .reaper import end_users, reaped
from .shipped import ROOT
from .shipping import lay_out
from .signals import handlers, put_back, same_handlers
from .spool import Spool
from .trial import Ask, Outcome, Tell, Trial
from .worker import put_aside

MAX_FAILED_STARTS = 3  # workers that died before any had built the recipe
BUILT = "built"  # the file that says that one has
CONNECT_SECONDS = 5.0
JOIN_SECONDS = 120.0  # for a machine that is being started
TICK_SECONDS = 0.5  # between two questions while nothing is left to start
ONE_CPU = {"cpu": 1.0}
OBJECT_STORE_BYTES = 10**8  # trials and outcomes are small


@dataclass(frozen=True)
class RayExecutor:
    """Runs trials on Ray workers: on a cluster of its own on this machine, or on a given one.

    Machines of a cluster that see the run folder under the same path put their results aside in
    it and keep what they print in ``RUN/logs/ray-<host>-<pid>.log``; to others ``cargo`` is
    brought, and Ray keeps their prints.

    Attributes:
        workers: trials at once.
        folder: the run folder.
        address: of a running cluster (``"auto"``, ``"host:6379"``, ``"ray://host:10001"``); None
            starts a private one, bound to this machine, which ends with the call.
        resources: what one trial takes.
        trial_timeout: seconds after which a trial counts as hung and its worker ends itself.
        requeue: kill the running trials at a stop and tell nothing of them.
        cargo: files that are shipped to every machine of a given cluster.
    """

    workers: int
    folder: Path
    address: str | None = None
    resources: Mapping[str, float] = field(default_factory=ONE_CPU.copy)
    trial_timeout: float | None = None
    requeue: bool = False
    cargo: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.workers < 1:
            raise UsageError(f"workers must be 1 or more on Ray, got {self.workers}")
        if self.trial_timeout is not None and self.trial_timeout <= 0:
            raise UsageError(f"trial_timeout must be positive, got {self.trial_timeout} s")

    def run(self, recipe: RecipeSpec, ask: Ask, tell: Tell, stop: threading.Event) -> None:
        """See :class:`~hierprune.studies.executor.Executor`.

        Raises:
            UsageError: there is no cluster at ``address``.
        """
        with cluster(self) as scratch:
            common = self._common(recipe, scratch)
            searcher = AskTell(common, ask, tell, stop, requeue=self.requeue)
            with suppress(GivenUp):
                self._tuner(searcher, scratch).fit()
        if searcher.error is not None:
            raise searcher.error

    def _common(self, recipe: RecipeSpec, scratch: Path) -> dict[str, Any]:
        """What every trial's configuration holds; strings, which Tune passes on as they are."""
        return {
            "recipe": json.dumps(recipe.to_json()),
            "folder": str(self.folder.absolute()),
            "scratch": str(scratch),
            "timeout": self.trial_timeout,
            "path": json.dumps(sys.path),
            "ships": bool(self.cargo),
        }

    def _tuner(self, searcher: AskTell, scratch: Path) -> tune.Tuner:
        return tune.Tuner(
            tune.with_resources(Journey, dict(self.resources)),
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=Scheduler(),  # type: ignore[no-untyped-call]
                num_samples=-1,
                max_concurrent_trials=self.workers,
                reuse_actors=True,
                trial_dirname_creator=short_name,
                trial_name_creator=short_name,
            ),
            run_config=tune.RunConfig(
                name="trials",
                storage_path=str(scratch),
                verbose=0,
                stop=Halt(searcher),
                failure_config=tune.FailureConfig(max_failures=0),  # the ledger repeats
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )


class GivenUp(BaseException):
    """Leaves Tune without the fifteen seconds that it grants to running trials."""


class AskTell(Searcher):
    """Passes Tune's questions on to ``ask`` and its results to ``tell``."""

    def __init__(
        self,
        common: Mapping[str, Any],
        ask: Ask,
        tell: Tell,
        stop: threading.Event,
        *,
        requeue: bool = False,
    ) -> None:
        super().__init__()
        self.error: BaseException | None = None
        self._common = dict(common)
        self._recipe = RecipeSpec(**json.loads(common["recipe"]))
        self._spool = Spool(Path(common["folder"]) / "spool")
        self._ask, self._tell, self._stop, self._requeue = ask, tell, stop, requeue
        self._running: dict[str, Trial] = {}
        self._failed_starts = 0
        self._built = False
        self._quiet_until = 0.0
        self._handlers = handlers()

    @property
    def over(self) -> bool:
        """Whether asking, telling or building has failed.

        Raises:
            GivenUp: the running trials are to be ended at once.
        """
        if self._requeue and self._stop.is_set():
            raise GivenUp
        return self.error is not None

    def __reduce__(self) -> tuple[type[Searcher], tuple[()]]:
        return Searcher, ()  # Tune pickles its searcher; nobody reads that

    def __deepcopy__(self, _: object) -> AskTell:
        return self

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """The configuration of the next trial, None for not now, or the word for never again."""
        put_back(self._handlers)  # Tune takes SIGUSR1 while it runs
        if self.error is not None or self._stop.is_set():
            return str(Searcher.FINISHED)
        if time.monotonic() < self._quiet_until:
            return None
        trial = self._guarded(self._ask)
        if trial is not None:
            self._running[trial_id] = trial
            return self._common | {"trial": json.dumps(trial.to_json())}
        self._quiet_until = time.monotonic() + TICK_SECONDS
        return None if self._running else str(Searcher.FINISHED)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell what came of a trial; no result means that its worker died."""
        trial = self._running.pop(trial_id)
        self._quiet_until = 0.0
        self._built |= bool(result and "outcome" in result)
        if result and "broken" in result:
            self.error = cannot_build(self._recipe, result["broken"])
        elif result and "outcome" in result:
            self._guarded(self._tell, Outcome.from_json(json.loads(result["outcome"])))
        elif self.error is None:
            self._mourn(trial)

    def _mourn(self, trial: Trial) -> None:
        """Tell of a dead worker what it left in the spool, or that it died."""
        lost = failure(trial, "died", "the Ray worker or its machine ended (out of memory?)")
        self._guarded(self._tell, self._spool.get(trial.number, trial.attempt) or lost)
        if not self._built and not (Path(self._common["scratch"]) / BUILT).exists():
            self._failed_starts += 1
            if self._failed_starts >= MAX_FAILED_STARTS:
                cause = f"its workers die on it; see {self._common['folder']}/logs"
                self.error = cannot_build(self._recipe, cause)

    def _guarded(self, call: Any, *arguments: Any) -> Any:
        """Call; Tune must not see the exception, it is raised once Tune has ended."""
        try:
            return call(*arguments)
        except Exception as error:
            self.error = error
            return None

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study is the record."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the study is the record."""


class Scheduler(FIFOScheduler):
    """Leaves starting trials to the controller; the inherited way looks at all of them."""

    def choose_trial_to_run(self, tune_controller: Any) -> None:
        """None in particular."""


class Halt(tune.Stopper):
    """Ends the experiment at once when it is over."""

    def __init__(self, searcher: AskTell) -> None:
        self._searcher = searcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Not this trial alone."""
        return False

    def stop_all(self) -> bool:
        """Whether the searcher says so; a copy of it, which Tune makes, does not."""
        return getattr(self._searcher, "over", False)


class Journey(tune.Trainable):
    """A worker: builds the recipe once and runs one trial per configuration."""

    def setup(self, config: dict[str, Any]) -> None:
        """Build the recipe; a failure is told with the first result."""
        self._config = config
        self._recipe: Recipe | None = None
        keep_prints(Path(config["folder"]))
        if config["ships"]:
            os.environ[ROOT] = str(Path.cwd())
        sys.path += [entry for entry in json.loads(config["path"]) if entry not in sys.path]
        try:
            self._recipe = RecipeSpec(**json.loads(config["recipe"])).build()
            with suppress(OSError):  # a machine that does not see the folder
                (Path(config["scratch"]) / BUILT).touch()
        except (Exception, SystemExit):
            self._broken = traceback.format_exc()

    def step(self) -> dict[str, Any]:
        """One whole trial."""
        if self._recipe is None:
            return {"broken": self._broken, "done": True}
        trial = Trial.from_json(json.loads(self._config["trial"]))
        spool = Spool(Path(self._config["folder"]) / "spool")
        with watchdog(trial, self._config["timeout"], spool):
            outcome = evaluate(self._recipe, trial)
            put_aside(spool, outcome)
        return {"outcome": json.dumps(outcome.to_json()), "done": True}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next trial with what is built."""
        self._config = new_config
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a trial is repeated, not continued."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing."""


def short_name(trial: Any) -> str:
    """Keeps paths short."""
    return str(trial.trial_id)


@contextmanager
def cluster(executor: RayExecutor) -> Iterator[Path]:
    """A connection to the cluster, and a folder for Tune that is gone afterwards.

    A connection that exists is used, and left open.

    Raises:
        UsageError: there is no cluster at the address.
    """
    with ExitStack() as stack:
        stack.enter_context(environment(QUIET))
        stack.enter_context(silence(executor.folder / "logs"))
        scratch = Path(tempfile.mkdtemp(prefix="hp-", dir=shared(executor)))
        if executor.address is None and not ray.is_initialized():
            stack.enter_context(reaped(scratch))
            os.environ.update(token())
            start(executor, scratch)
            stack.callback(ray.shutdown)
        else:
            stack.callback(shutil.rmtree, scratch, ignore_errors=True)
            if not ray.is_initialized():
                goods = scratch / "cargo"
                lay_out(executor.cargo, goods)
                connect(str(executor.address), goods if executor.cargo else None)
                stack.callback(ray.shutdown)
        check_room(executor)
        yield scratch


def check_room(executor: RayExecutor) -> None:
    """See whether a machine of the cluster has what one trial takes; another may join later.

    Raises:
        UsageError: none has, and it is a private cluster, which nobody joins.
    """
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    if any(has(machine, executor.resources) for machine in machines):
        return
    if executor.address is None:
        raise UsageError(lacking(executor.resources))
    asked = words(executor.resources)
    warnings.warn(f"no machine of the cluster has {asked} yet, so trials wait", stacklevel=2)


def check_private(resources: Mapping[str, float]) -> None:
    """See whether a cluster on this machine would have what one trial takes; none is started.

    Raises:
        UsageError: it would not.
    """
    if ray.is_initialized():
        return
    machine = {"CPU": math.inf, "memory": math.inf, "object_store_memory": math.inf}
    for kind in get_all_accelerator_managers():
        visible = kind.get_current_process_visible_accelerator_ids()
        there = kind.get_current_node_num_accelerators()
        count = there if visible is None else min(there, len(visible))
        machine[kind.get_resource_name()] = max(count, machine.get(kind.get_resource_name(), 0))
    if not has(machine, resources):
        raise UsageError(lacking(resources))


def has(machine: Mapping[str, float], resources: Mapping[str, float]) -> bool:
    """Whether a machine, by Ray's names, has what a trial takes."""
    names = {"cpu": "CPU", "gpu": "GPU"}
    return all(machine.get(names.get(name, name), 0) >= n for name, n in resources.items())


def lacking(resources: Mapping[str, float]) -> str:
    """What to say of a trial that this machine cannot run."""
    return f"a trial takes {words(resources)}, which this machine does not have (--resources)"


def words(resources: Mapping[str, float]) -> str:
    """As they are given on the command line."""
    return ", ".join(f"{name}={n:g}" for name, n in resources.items())


def check_listening(address: str) -> None:
    """Raise :class:`UsageError` when nobody listens at ``host:port``; Ray would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit()):
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        message = f"--address must name a running Ray cluster, nobody answers at {address!r}"
        raise UsageError(f"{message} ({error})") from error


@contextmanager
def silence(logs: Path) -> Iterator[None]:
    """Keep what Ray says in the driver in the run's logs: a dead worker is told as an outcome."""
    logs.mkdir(parents=True, exist_ok=True)
    chatter = logging.getLogger("ray.tune")
    level = chatter.level
    chatter.setLevel(logging.CRITICAL)
    try:
        with (logs / "ray.log").open("a") as log, redirect_stdout(log):
            yield
    finally:
        chatter.setLevel(level)


def shared(executor: RayExecutor) -> Path:
    """Where every machine of the cluster can write; short at home, for the paths of sockets."""
    if executor.address is None and not ray.is_initialized():
        return Path("/tmp")
    cache = executor.folder.absolute() / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def start(executor: RayExecutor, scratch: Path) -> None:
    """Start a cluster on this machine with room for the workers; it listens on loopback alone.

    Raises:
        RuntimeError: Ray could not be started.
    """

    def undo() -> None:
        ray.shutdown()
        end_users(scratch)

    with loopback(), slow_nodes(), same_handlers():  # Ray would exit at SIGTERM
        patiently(lambda: start_once(executor, scratch), undo)


def start_once(executor: RayExecutor, scratch: Path) -> None:
    """One try."""
    ray.init(
        address="local",
        num_cpus=max(1, math.ceil(executor.workers * executor.resources.get("cpu", 1))),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=OBJECT_STORE_BYTES,
        _node_ip_address="127.0.0.1",
        _temp_dir=str(scratch),
    )


@contextmanager
def loopback() -> Iterator[None]:
    """Make Ray take 127.0.0.1 by its word.

    It replaces a loopback address by one that other machines can reach, unless it was told, at its
    import, that there are none (as it is on macOS and Windows).
    """
    constants = ray._private.ray_constants
    before = constants.ENABLE_RAY_CLUSTER
    constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def slow_nodes() -> Iterator[None]:
    """Give a machine that is being started minutes to join its cluster; Ray gives it 30 seconds."""
    services = ray._private.services
    look = services.get_node

    def look_longer(*arguments: Any) -> Any:
        end = time.monotonic() + JOIN_SECONDS
        while True:
            try:
                return look(*arguments)  # type: ignore[no-untyped-call]
            except RuntimeError:  # it has not joined yet
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    services.get_node = look_longer
    try:
        yield
    finally:
        services.get_node = look


def connect(address: str, goods: Path | None = None) -> None:
    """Join a running cluster, whose workers then start in a copy of the folder ``goods``.

    Raises:
        UsageError: there is none.
    """
    check_listening(address)
    try:
        with same_handlers():
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"working_dir": str(goods)} if goods else None,
            )
    except (ConnectionError, ValueError, RuntimeError) as error:
        message = f"--address must name a running Ray cluster, got {address!r}: {error}"
        raise UsageError(message) from error
