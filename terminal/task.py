"""What can be pruned in a task's model; the tasks that are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..live import say
from .tables import Column, out, show, table


def show_tree(found: Mapping[str, Any]) -> None:
    """Groups by stage, and what stays out."""
    title = f"{found['params']:,} parameters, {found['macs']:,} multiply-accumulates a sample"
    groups = found["groups"]
    texts = {name: [str(g[name]) for g in groups] for name in ("stage", "kind", "units")}
    columns = [
        Column("stage", texts["stage"], False),
        Column("group", [g["name"] for g in groups], False),
        Column("kind", texts["kind"], False),
        Column("units", texts["units"]),
        Column("parameters", [f"{g['params']:,}" for g in groups]),
        Column("MACs", [f"{g['macs']:,}" for g in groups]),
    ]
    show(table(title, columns))
    say("parameters and MACs: what goes when the whole group goes and all others stay")
    for e in found["excluded"]:
        out.print(f"not pruned: {e['name']}: {e['reason']}", markup=False, soft_wrap=True)


def show_tasks() -> None:
    """The ready-made tasks with the first line of their factory's docstring."""
    from ..studies.ready_made import READY_MADE
    from ..studies.source import TaskSource

    docs = [TaskSource(name).factory().__doc__ or "" for name in READY_MADE]
    about = [doc.strip().splitlines()[0] for doc in docs]
    show(table("", [Column("task", list(READY_MADE), False), Column("", about, False)]))
