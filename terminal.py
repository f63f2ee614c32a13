"""What people see in a terminal: progress on stderr, results on stdout."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table

from .studies.picked import Picked
from .studies.progress import Silent, Status
from .studies.run_record import ObjectiveInfo, RunRecord
from .studies.study import Study
from .studies.verify_picked import Verified

err = Console(stderr=True, highlight=False)
out = Console(highlight=False)


def say(text: str) -> None:
    """One line for people, on stderr."""
    err.print(text, markup=False, soft_wrap=True)


def show_json(document: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(document, indent=1, allow_nan=False) + "\n")


class Live:
    """Draws progress: a bar for long preparations, then one for the trials."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._step = bars.add_task("", total=1.0, visible=False, detail="")
        self._plans = bars.add_task("trials", total=None, visible=False, detail="")
        self._tuned = bars.add_task("fine-tuned", total=None, visible=False, detail="")

    def note(self, text: str) -> None:
        """See :class:`Progress`."""
        self._bars.update(self._step, visible=False, completed=0, description=text)
        self._bars.console.print(f"[dim]{text}[/dim]")

    def share(self, done: float) -> None:
        """See :class:`Progress`."""
        self._bars.update(self._step, visible=done < 1, completed=done)

    def trial(self, status: Status) -> None:
        """See :class:`Progress`."""
        rungs = status.counts["rungs"]
        failed = status.counts["failed"]
        detail = f"front {status.front}, hypervolume {status.hypervolume:.3f}"
        detail += f", failed {failed}" if failed else ""
        self._bars.update(
            self._plans,
            visible=True,
            completed=status.counts["complete"],
            total=status.n_trials,
            detail=detail,
        )
        self._bars.update(
            self._tuned,
            visible=sum(rungs[1:]) > 0,
            completed=sum(rungs[1:]),
            total=status.promotions,
        )
        if status.outcome.error:
            last = status.outcome.error.strip().splitlines()[-1]
            say(f"trial {status.outcome.number} failed ({status.outcome.kind}): {last}")


@contextmanager
def progress(*, quiet: bool) -> Iterator[Live | Silent]:
    """A listener that draws on stderr while the block runs."""
    if quiet:
        yield Silent()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}"),
    )
    with Bars(*columns, console=err) as bars:
        yield Live(bars)


def show_front(study: Study) -> None:
    """The front as a table, the dense model first."""
    record = study.record
    records = study.front_records()
    counts = study.counts()
    table = Table(
        title=front_title(record, len(records), study.hypervolume()), title_justify="left"
    )
    for head in ("trial", "epochs"):
        table.add_column(head, justify="right")
    for info in record.measured:
        table.add_column(head_of(info), justify="right")
    table.add_column("allocation")
    dense = record.dense.values
    table.add_row("dense", "", *(number(dense[n]) for n in record.names), "", style="bold")
    for r in records:
        epochs = r.plan["recovery"]["epochs"]
        cells = [number(r.values[n]) for n in record.names]
        allocation = f"{r.plan['granularity']}, {r.plan['allocation']}"
        table.add_row(str(r.number), f"{epochs:g}", *cells, allocation)
    out.print(table)
    rungs = " + ".join(map(str, counts["rungs"]))
    say(
        f"{counts['complete']} plans finished (trials by rung: {rungs or 0}), "
        f"{counts['failed']} failed; scores on the validation split"
    )


def front_title(record: RunRecord, models: int, volume: float) -> str:
    """Title of the front's table."""
    data = f" on {record.data}" if record.data else ""
    return f"{record.task}{data}: {models} models on the front, hypervolume {volume:.4f}"


def head_of(info: ObjectiveInfo) -> str:
    """Column head: name, unit, and which way is better."""
    arrow = "\u2191" if info.direction == "maximize" else "\u2193"
    unit = f" [{info.unit}]" if info.unit else ""
    return f"{info.name}{unit} {arrow}".replace("[", r"\[")


def number(value: float | None) -> str:
    """Four digits."""
    return "" if value is None else f"{value:.4g}" if abs(value) < 1 else f"{value:.2f}"


def show_picked(picked: Picked, folder: Path | None) -> None:
    """What was picked, beside the dense model."""
    record = picked.record
    data = f" on {record.data}" if record.data else ""
    table = Table(title=f"{record.task}{data}: trial {picked.trial}", title_justify="left")
    for head in ("", "dense, validation", "picked, validation", "dense, test", "picked, test"):
        table.add_column(head, justify="right" if head else "left")
    for info in record.measured:
        name = info.name
        table.add_row(
            head_of(info),
            number(record.dense.values[name]),
            number(picked.values[name]),
            number(picked.dense_test.get(name)),
            number(picked.test.get(name)),
        )
    out.print(table)
    if folder is not None:
        say(f"wrote {folder}; load it with: hierprune.load({str(folder)!r})")
    else:
        say("nothing written; pass --out DIR to keep it")


def show_verified(found: Verified) -> None:
    """Promised and measured scores."""
    table = Table(title=f"{found.folder}, test split", title_justify="left")
    for head in ("", "promised", "measured now"):
        table.add_column(head, justify="right" if head else "left")
    for name, value in found.measured.items():
        table.add_row(name, number(found.promised.get(name)), number(value))
    table.add_row("parameters", "", f"{found.params:,}")
    table.add_row("bytes stored", "", f"{found.bytes:,}")
    out.print(table)
    say("the model keeps its promise" if found.ok else "the scores are NOT those of the plan")


def show_tree(found: Mapping[str, Any]) -> None:
    """Groups by stage, and what stays out."""
    title = f"{found['params']:,} parameters, {found['macs']:,} multiply-accumulates a sample"
    table = Table(title=title, title_justify="left")
    for head in ("stage", "group", "kind", "units", "parameters", "MACs"):
        table.add_column(
            head, justify="right" if head in ("units", "parameters", "MACs") else "left"
        )
    for g in found["groups"]:
        cells = [g["stage"], g["name"], g["kind"], g["units"], f"{g['params']:,}", f"{g['macs']:,}"]
        table.add_row(*map(str, cells))
    out.print(table)
    say("parameters and MACs: what goes when the whole group goes and all others stay")
    for e in found["excluded"]:
        out.print(f"not pruned: {e['name']}: {e['reason']}", markup=False, soft_wrap=True)


def show_tasks() -> None:
    """The ready-made tasks with the first line of their factory's docstring."""
    from .studies.source import READY_MADE, TaskSource

    table = Table("task", "what it is")
    for name in READY_MADE:
        doc = TaskSource(name).factory().__doc__ or ""
        table.add_row(name, doc.strip().splitlines()[0])
    out.print(table)


def show_doctor() -> None:
    """Versions, cores and caches."""
    import importlib.metadata

    import torch

    from .studies.dense import default_cache

    table = Table("what", "found")
    table.add_row("python", sys.version.split()[0])
    for package in ("hierprune", "torch", "optuna", "ray", "mlxtend", "onnx", "onnxruntime"):
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            version = "not installed"
        table.add_row(package, version)
    table.add_row("cores", str(os.cpu_count()))
    accelerator = torch.accelerator.is_available()
    table.add_row(
        "accelerator", str(torch.accelerator.current_accelerator()) if accelerator else "none"
    )
    table.add_row("cache", str(default_cache()))
    table.add_row("HIERPRUNE_DATA", os.environ.get("HIERPRUNE_DATA", "not set"))
    out.print(table)
