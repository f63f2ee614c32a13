"""An executor under observation: listeners hear of every trial as it starts and ends."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from .executor import Executor, RecipeSpec
from .ledger import Ledger
from .progress import Progress, Status
from .standing import Standing
from .trial import Ask, Outcome, Tell, Trial


@dataclass(frozen=True)
class Watched:
    """An executor that tells a listener about every trial."""

    inner: Executor
    ledger: Ledger
    standing: Standing
    progress: Progress

    def run(self, recipe: RecipeSpec, ask: Ask, tell: Tell, stop: threading.Event) -> None:
        """See :class:`Executor`."""

        def asked() -> Trial | None:
            trial = ask()
            if trial is not None:
                self.progress.started(self.status(telling=False))
            return trial

        def told(outcome: Outcome) -> None:
            tell(outcome)
            self.progress.trial(self.status(outcome))

        self.inner.run(recipe, asked, told, stop)

    def status(self, outcome: Outcome | None = None, *, telling: bool = True) -> Status:
        """Where the study stands; see :meth:`Standing.status`."""
        self.standing.update(self.ledger.trials())
        return self.standing.status(self.ledger.counts(), outcome, telling=telling)
