"""Trials on a Ray cluster, by Ray Tune: the one file that knows Ray.

Tune is used for what it is good at: workers that keep what they have built, on any number of
machines. What to try and what came of it stays with ``ask`` and ``tell``: a thin searcher passes
both on, every launch is a fresh Tune experiment, and Tune's own files are thrown away.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if "ray" not in sys.modules:  # Ray reads it when it is loaded
    os.environ.setdefault("RAY_AUTH_MODE", "token")

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from ..errors import UsageError
from .executor import Recipe, RecipeSpec, cannot_build, evaluate, failure
from .reaper import reaped
from .spool import Spool
from .trial import Ask, Outcome, Tell, Trial
from .worker import put_aside

TICK_SECONDS = 0.5  # between two questions while nothing is left to start
OBJECT_STORE_BYTES = 10**8  # trials and outcomes are small
QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent home
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # signals are the launcher's
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # its snapshots are of no use here
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_THRESHOLD_S": "1000000",
}


@dataclass(frozen=True)
class RayExecutor:
    """Runs trials on Ray workers: on a cluster of its own on this machine, or on a given one.

    The machines of a cluster must see the run folder under the same path, and the user's code.
    What workers print is kept in ``RUN/logs/ray-<host>-<pid>.log``.

    Attributes:
        workers: trials at once.
        folder: the run folder.
        address: of a running cluster (``"auto"``, ``"host:6379"``, ``"ray://host:10001"``); None
            starts a private one, bound to this machine, which ends with the call.
        resources: what one trial takes.
        trial_timeout: seconds after which a trial counts as hung and its worker ends itself.
    """

    workers: int
    folder: Path
    address: str | None = None
    resources: Mapping[str, float] = field(default_factory=lambda: {"cpu": 1})
    trial_timeout: float | None = None

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
        searcher = AskTell(self, recipe, ask, tell, stop)
        with cluster(self) as scratch:
            self._tuner(searcher, scratch).fit()
        if searcher.error is not None:
            raise searcher.error

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


class AskTell(Searcher):
    """Passes Tune's questions on to ``ask`` and its results to ``tell``."""

    def __init__(
        self, executor: RayExecutor, recipe: RecipeSpec, ask: Ask, tell: Tell, stop: threading.Event
    ) -> None:
        super().__init__()
        self.error: BaseException | None = None
        self._common = {
            "recipe": json.dumps(recipe.to_json()),
            "folder": str(executor.folder.absolute()),
            "timeout": executor.trial_timeout,
        }
        self._recipe = recipe
        self._spool = Spool(executor.folder / "spool")
        self._ask, self._tell, self._stop = ask, tell, stop
        self._running: dict[str, Trial] = {}
        self._quiet_until = 0.0
        self._on_usr1 = signal.getsignal(signal.SIGUSR1)

    def __reduce__(self) -> tuple[type[Searcher], tuple[()]]:
        return Searcher, ()  # Tune pickles its searcher; nobody reads that

    def __deepcopy__(self, _: object) -> AskTell:
        return self

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """The configuration of the next trial, None for not now, or the word for never again."""
        self._keep_signals()
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
        if result and "broken" in result:
            self.error = cannot_build(self._recipe, result["broken"])
        elif result and "outcome" in result:
            self._guarded(self._tell, Outcome.from_json(json.loads(result["outcome"])))
        elif self.error is None:
            lost = failure(trial, "died", "the Ray worker or its machine ended (out of memory?)")
            self._guarded(self._tell, self._spool.get(trial.number, trial.attempt) or lost)

    def _guarded(self, call: Any, *arguments: Any) -> Any:
        """Call; Tune must not see the exception, it is raised once Tune has ended."""
        try:
            return call(*arguments)
        except Exception as error:
            self.error = error
            return None

    def _keep_signals(self) -> None:
        """Take back the handler of SIGUSR1, which Tune replaces while it runs."""
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGUSR1) is not self._on_usr1:
            signal.signal(signal.SIGUSR1, self._on_usr1)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study is the record."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the study is the record."""


class Scheduler(FIFOScheduler):
    """Leaves starting trials to the controller; the inherited way looks at all of them."""

    def choose_trial_to_run(self, tune_controller: Any) -> None:
        """None in particular."""


class Halt(tune.Stopper):
    """Ends the experiment at once when asking, telling or building has failed."""

    def __init__(self, searcher: AskTell) -> None:
        self._searcher = searcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Not this trial alone."""
        return False

    def stop_all(self) -> bool:
        """Whether there is an error to raise."""
        return getattr(self._searcher, "error", None) is not None


class Journey(tune.Trainable):
    """A worker: builds the recipe once and runs one trial per configuration."""

    def setup(self, config: dict[str, Any]) -> None:
        """Build the recipe; a failure is told with the first result."""
        self._config = config
        self._recipe: Recipe | None = None
        keep_prints(Path(config["folder"]))
        try:
            self._recipe = RecipeSpec(**json.loads(config["recipe"])).build()
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


@contextmanager
def watchdog(trial: Trial, seconds: float | None, spool: Spool) -> Iterator[None]:
    """End this process when the time is up, leaving word in the spool."""

    def bite() -> None:
        put_aside(spool, failure(trial, "timeout", f"ran longer than {seconds:g} s"))
        os._exit(1)

    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, bite)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def keep_prints(folder: Path) -> None:
    """Send what this process prints to the run's logs, when the run folder is here."""
    if not folder.is_dir():
        return
    (folder / "logs").mkdir(exist_ok=True)
    log = os.open(
        folder / "logs" / f"ray-{os.uname().nodename}-{os.getpid()}.log",
        os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    )
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


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
        stack.enter_context(environment(QUIET | token()))
        scratch = Path(tempfile.mkdtemp(prefix="hp-", dir=shared(executor)))
        if executor.address is None and not ray.is_initialized():
            stack.enter_context(reaped(scratch))
            start(executor, scratch)
            stack.callback(ray.shutdown)
        else:
            stack.callback(shutil.rmtree, scratch, ignore_errors=True)
            if not ray.is_initialized():
                connect(str(executor.address))
                stack.callback(ray.shutdown)
        yield scratch


def shared(executor: RayExecutor) -> Path:
    """Where every machine of the cluster can write; short at home, for the paths of sockets."""
    if executor.address is None and not ray.is_initialized():
        return Path("/tmp")
    cache = executor.folder.absolute() / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def token() -> dict[str, str]:
    """A secret for a private cluster: its ports are open to the network, not its ears.

    A token that the user has set up, for a cluster of his own, stays in force.
    """
    names = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    own = (Path.home() / ".ray" / "auth_token").exists() or any(n in os.environ for n in names)
    return {} if own else {"RAY_AUTH_TOKEN": secrets.token_hex(16)}


def start(executor: RayExecutor, scratch: Path) -> None:
    """Start a cluster on this machine with room for the workers."""
    ray.init(
        address="local",
        num_cpus=max(1, round(executor.workers * executor.resources.get("cpu", 1))),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=OBJECT_STORE_BYTES,
        _node_ip_address="127.0.0.1",
        _temp_dir=str(scratch),
    )


def connect(address: str) -> None:
    """Join a running cluster.

    Raises:
        UsageError: there is none.
    """
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        message = f"--address must name a running Ray cluster, got {address!r}: {error}"
        raise UsageError(message) from error


@contextmanager
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for a while; those that are set already stay."""
    added = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
