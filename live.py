"""Progress on stderr: bars in a terminal, a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from .studies.progress import Progress, Status

LINES = 10
"""How many lines a study's trials give where there is no terminal, failures apart."""

PERCENT = 100

err = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """One line for people, on stderr."""
    err.print(text, markup=False, soft_wrap=True)


class Live:
    """Draws progress: a bar for long preparations, then one for the trials."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._step = bars.add_task("", total=PERCENT, visible=False, detail="%")
        self._plans = bars.add_task("trials", total=None, visible=False, detail="")
        self._tuned = bars.add_task("fine-tuned", total=None, visible=False, detail="")

    def note(self, text: str) -> None:
        """See :class:`Progress`."""
        self._bars.update(self._step, visible=False, completed=0)
        self._bars.console.print(text, style="dim", markup=False)

    def share(self, done: float) -> None:
        """See :class:`Progress`."""
        self._bars.update(self._step, visible=done < 1, completed=int(PERCENT * done))

    def trial(self, status: Status) -> None:
        """See :class:`Progress`."""
        tuned = sum(status.counts["rungs"][1:])
        complete = status.counts["complete"]
        self._bars.update(
            self._plans,
            visible=True,
            completed=complete,
            total=status.n_trials,
            detail=standing(status),
        )
        self._bars.update(self._tuned, visible=tuned > 0, completed=tuned, total=status.promotions)
        tell_failure(status)


class Lines:
    """Writes a line for every step of the preparation, and one every some trials."""

    def __init__(self) -> None:
        self._told = -1

    def note(self, text: str) -> None:
        """See :class:`Progress`."""
        say(text)

    def share(self, done: float) -> None:
        """See :class:`Progress`."""

    def trial(self, status: Status) -> None:
        """See :class:`Progress`."""
        tell_failure(status)
        finished = sum(status.counts["rungs"])
        expected = status.n_trials + status.promotions
        if LINES * finished // expected == self._told and finished < expected:
            return
        self._told = LINES * finished // expected
        tuned = sum(status.counts["rungs"][1:])
        text = f"{status.counts['complete']} of {status.n_trials} plans"
        text += f", {tuned} of {status.promotions} fine-tuned" if status.promotions else ""
        say(f"{text}, {standing(status)}")


def standing(status: Status) -> str:
    """The front, and the failures where there are any."""
    failed = status.counts["failed"]
    text = f"front {status.front}, hypervolume {status.hypervolume:.3f}"
    return text + (f", failed {failed}" if failed else "")


def tell_failure(status: Status) -> None:
    """One line about the trial that just ended, if it failed."""
    outcome = status.outcome
    if outcome.error:
        last = outcome.error.strip().splitlines()[-1]
        say(f"trial {outcome.number} failed ({outcome.kind}): {last}")


@contextmanager
def progress() -> Iterator[Progress]:
    """A listener that tells on stderr what happens while the block runs."""
    if not err.is_terminal:
        yield Lines()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}"),
    )
    with Bars(*columns, console=err) as bars:
        yield Live(bars)
