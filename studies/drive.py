"""One launcher's way through a study, alone or beside others."""

from __future__ import annotations

import threading
import time

from .executor import Executor, RecipeSpec
from .ledger import Ledger
from .trial import Ask, Trial

POLL_SECONDS = 1.0  # while other launchers finish


def drive(ledger: Ledger, executor: Executor, recipe: RecipeSpec, stop: threading.Event) -> None:
    """Run trials until the study is done, ``stop`` is set, or nearly all trials fail.

    With nothing left to start it waits for the trials of other launchers, since their failures and
    deaths leave work; workers are not started while there is none.

    Raises:
        RuntimeError: the recipe cannot be built.
    """
    while not stop.is_set():
        first = ledger.ask()
        if first is not None:
            executor.run(recipe, starting_with(first, ledger.ask), ledger.tell, stop)
        elif ledger.failing() or not ledger.counts()["running"]:
            return
        else:
            time.sleep(POLL_SECONDS)
            ledger.recover()


def starting_with(first: Trial, ask: Ask) -> Ask:
    """``ask``, after it has given ``first``."""
    held = [first]
    return lambda: held.pop() if held else ask()
