"""Trials on a Ray cluster, by Ray Tune.

Tune is used for what it is good at: workers that keep what they have built, on any number of
machines. What to try and what came of it stays with ``ask`` and ``tell``: a thin searcher passes
both on, every launch is a fresh Tune experiment, and Tune's own files are thrown away.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from ..errors import UsageError
from .executor import Recipe, RecipeSpec, cannot_build, evaluate, failure
from .guard import keep_prints, watchdog
from .ray_cluster import cluster
from .shipped import ROOT
from .signals import handlers, put_back
from .spool import Spool
from .trial import Ask, Outcome, Tell, Trial
from .worker import put_aside

MAX_FAILED_STARTS = 3  # workers that died before any had built the recipe
BUILT = "built"  # the file that says that one has
TICK_SECONDS = 0.5  # between two questions while nothing is left to start
ONE_CPU = {"cpu": 1.0}


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
        die_at_sigterm()
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


def die_at_sigterm() -> None:
    """Let the process end at once, so that its trial is repeated.

    Ray would raise SystemExit in the middle of the trial, which looks like a failure of its own.
    """
    with suppress(ValueError):  # not the main thread: nothing is raised in the trial then
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def short_name(trial: Any) -> str:
    """Keeps paths short."""
    return str(trial.trial_id)
