"""Progress on stderr: a picture in a terminal, a line now and then elsewhere, or events."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live as Screen
from rich.text import Text

from .errors import unknown
from .events import Events
from .panel import bar, line, panel
from .studies.progress import Progress, Silent, Status

LINES = 10
"""How many lines a study's trials give where there is no terminal, failures apart."""

PERCENT = 100

err = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """One line for people, on stderr."""
    err.print(text, markup=False, soft_wrap=True)


class Live:
    """A picture of the progress: a bar for a long preparation, then where the study stands.

    Args:
        console: that draws it.
        remark: below it.
    """

    def __init__(self, console: Console, remark: str = "") -> None:
        self._console = console
        self._remark = Text(remark, style="dim")
        self._share = 1.0
        self._status: Status | None = None
        self._since = 0.0

    def __rich__(self) -> RenderableType:
        """The picture now."""
        parts: list[RenderableType] = []
        if self._status is not None:
            parts.append(panel(self._status, time.monotonic() - self._since))
        if self._share < 1:
            done = bar(int(PERCENT * self._share), PERCENT)
            parts.append(Columns([done, f"{self._share:.0%}"]))
        return Group(*parts, self._remark)

    def note(self, text: str) -> None:
        """See :class:`Progress`."""
        self._share = 1.0
        self._console.print(text, style="dim", markup=False)

    def share(self, done: float) -> None:
        """See :class:`Progress`."""
        self._share = done

    def started(self, status: Status) -> None:
        """See :class:`Progress`."""
        if self._status is None:
            self._since = time.monotonic()
        self._status = status

    def trial(self, status: Status) -> None:
        """See :class:`Progress`."""
        self._status, self._since = status, time.monotonic()


class Lines:
    """Writes a line for every step of the preparation, and one every some trials."""

    def __init__(self) -> None:
        self._told = -1

    def note(self, text: str) -> None:
        """See :class:`Progress`."""
        say(text)

    def share(self, done: float) -> None:
        """See :class:`Progress`."""

    def started(self, status: Status) -> None:
        """See :class:`Progress`."""

    def trial(self, status: Status) -> None:
        """See :class:`Progress`."""
        tell_failure(status)
        finished = sum(status.counts["rungs"])
        expected = status.n_trials + status.promotions
        over = finished >= expected or status.done
        if LINES * finished // expected == self._told and not over:
            return
        self._told = LINES * finished // expected
        say(line(status))


def tell_failure(status: Status) -> None:
    """One line about the trial that just ended, if it failed."""
    outcome = status.outcome
    if outcome is not None and outcome.error:
        last = outcome.error.strip().splitlines()[-1]
        say(f"trial {outcome.number} failed ({outcome.kind}): {last}")


FORMS = ("auto", "lines", "json", "none")
"""How progress is told: a picture in a terminal and lines elsewhere, lines, events, not at all."""


@contextmanager
def progress(form: str = "auto") -> Iterator[Progress]:
    """A listener that tells on stderr what happens while the block runs.

    Raises:
        UsageError: a form that is not among :data:`FORMS`.
    """
    if form not in FORMS:
        raise unknown("progress", form, FORMS)
    if form == "json":
        yield Events(sys.stderr)
    elif form == "none":
        yield Silent()
    elif form == "lines" or not err.is_terminal:
        yield Lines()
    else:
        picture = Live(err)
        with Screen(picture, console=err, refresh_per_second=4):
            yield picture
            picture.share(1.0)


@contextmanager
def watching(*, as_json: bool, once: bool) -> Iterator[Progress]:
    """A listener for a study that is watched: on stdout, in the form that suits it."""
    out = Console(highlight=False)
    if as_json:
        yield Events(sys.stdout)
    elif out.is_terminal or once:
        picture = Live(out, "" if once else "Ctrl-C ends the watching, not the study")
        with Screen(picture, console=out, refresh_per_second=4):
            yield picture
    else:
        yield Lines()
