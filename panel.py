"""Where a study stands, as a picture in the terminal and as one line for logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .studies.card import number
from .studies.progress import Best, Status
from .studies.run_record import ObjectiveInfo
from .studies.wording import agreement_words, duration

BARS = "▁▂▃▄▅▆▇█"
SPARK = 24
"""Characters of the curve of the hypervolume."""
BAR_WIDTH = 24


def panel(status: Status, age: float = 0.0) -> RenderableType:
    """Progress, front, the best of every objective, and what is at work.

    Args:
        status: of the study.
        age: seconds since it was found.
    """
    time = Text(times(status, age))
    return Group(
        title(status), bars(status), time, front_line(status), bests(status), state(status)
    )


def title(status: Status) -> Text:
    """Task, data and constraints."""
    record = status.record
    text = Text(f"{record.task} on {record.data}" if record.data else record.task, style="bold")
    if record.where:
        text.append(f"  with {' and '.join(record.where)}", style="dim")
    return text


def bars(status: Status) -> Table:
    """How far plans and promotions are."""
    grid = Table.grid(padding=(0, 1))
    complete = min(status.counts["complete"], status.n_trials)
    grid.add_row("plans", bar(complete, status.n_trials), f"{complete:,} of {status.n_trials:,}")
    if status.promotions:
        grid.add_row(
            "fine-tuned",
            bar(status.tuned, status.promotions),
            f"{status.tuned} of {status.promotions}",
        )
    return grid


def bar(done: int, total: int) -> ProgressBar:
    """A bar of fixed width."""
    return ProgressBar(total=total, completed=min(done, total), width=BAR_WIDTH)


def times(status: Status, age: float) -> str:
    """Time spent and time left."""
    running = age if status.counts["running"] else 0.0
    spent = f"{duration(status.seconds + running)} of search"
    if status.done:
        return f"{spent}, done"
    if status.remaining is None:
        return spent
    if status.tuning:
        return f"{spent}, fine-tuning"
    left = f"{spent}, about {duration(max(0.0, status.remaining - running))} left"
    return f"{left}, then fine-tuning" if status.promotions and not status.tuned else left


def front_line(status: Status) -> Text:
    """Size and hypervolume of the front, and how it came to that."""
    text = Text(f"front of {status.front} models, hypervolume {status.hypervolume:.4f} ")
    return text.append(spark(status.volumes), style="cyan")


def spark(volumes: Sequence[float]) -> str:
    """A curve between its ends in block characters, at most :data:`SPARK` of them.

    >>> spark([0.2, 0.5, 1.0])
    '▁▃█'
    """
    count = min(SPARK, len(volumes))
    picked = [volumes[(i + 1) * len(volumes) // count - 1] for i in range(count)]
    if not picked or picked[-1] <= picked[0]:
        return ""
    low, span = min(picked), max(picked) - min(picked)
    return "".join(BARS[int((v - low) / span * (len(BARS) - 1))] for v in picked)


def bests(status: Status) -> Table:
    """By objective: the dense model's value, and the best that was found."""
    record = status.record
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    grid.add_column("")
    heads = ["dense", "best", *(["best with constraints"] if record.where else [])]
    for head in heads:
        grid.add_column(head, justify="right")
    for info in record.objectives:
        cells = [number(record.dense.values[info.name]), best(status.best, info)]
        if record.where:
            cells.append(best(status.allowed, info))
        grid.add_row(head_of(info), *cells)
    return grid


def head_of(info: ObjectiveInfo) -> str:
    """Name, unit and direction of an objective."""
    arrow = "\u2191" if info.direction == "maximize" else "\u2193"
    return " ".join(part for part in (info.name, info.unit, arrow) if part)


def best(table: Mapping[str, Best], info: ObjectiveInfo) -> str:
    """The best value and its trial."""
    found = table.get(info.name)
    return "none yet" if found is None else f"{number(found.value)} (trial {found.trial})"


def state(status: Status) -> Text:
    """What is at work, and what failed."""
    counts = status.counts
    text = Text(f"{counts['running']} running, {counts['waiting']} waiting, ")
    text.append(f"{counts['failed']} failed", style="red" if counts["failed"] else "")
    if status.launchers is not None and not status.done:
        text.append(f"; {launchers(status.launchers)}")
    if status.stop is not None:
        text.append(f"\nended early: {status.stop.reason}")
    if status.agreements:
        text.append(f"\n{agreement_words(status.agreements)}", style="dim")
    if status.failure:
        text.append(f"\nlast failure: {status.failure}", style="red")
    return text


def launchers(count: int) -> str:
    """How many processes work on the study."""
    if count == 0:
        return "nobody works on it"
    return "1 launcher at work" if count == 1 else f"{count} launchers at work"


def line(status: Status) -> str:
    """Where a study stands, in one line."""
    parts = [f"{status.counts['complete']} of {status.n_trials} plans"]
    if status.promotions:
        parts.append(f"{status.tuned} of {status.promotions} fine-tuned")
    parts.append(f"front {status.front}")
    parts.append(f"hypervolume {status.hypervolume:.3f}")
    if status.counts["failed"]:
        parts.append(f"failed {status.counts['failed']}")
    if status.remaining and not status.done:
        parts.append(f"about {duration(status.remaining)} left")
    if status.stop is not None:
        parts.append(f"ended early: {status.stop.reason}")
    return ", ".join(parts)
