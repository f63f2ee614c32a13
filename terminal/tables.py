"""Tables of text on stdout, and JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.measure import Measurement as Width
from rich.table import Table
from rich.text import Text

from ..plain_json import dumps

out = Console(highlight=False)


@dataclass(frozen=True)
class Column:
    """Head and cells of a table, top to bottom; numbers stand to the right."""

    head: str
    cells: Sequence[str]
    right: bool = True


def show_json(document: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(dumps(document, indent=1) + "\n")


def table(title: str, columns: Iterable[Column]) -> Table:
    """A table of plain text: where there is no room words are folded, numbers stay whole."""
    grid = Table(
        title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1)
    )
    columns = list(columns)
    for column in columns:
        grid.add_column(
            Text(column.head),
            justify="right" if column.right else "left",
            overflow="fold",
            min_width=max(map(len, column.cells), default=0) if column.right else None,
        )
    for row in zip(*(c.cells for c in columns), strict=True):
        grid.add_row(*map(Text, row))
    return grid


def show(grid: Table) -> None:
    """A table on stdout, beyond the edge of the terminal where its numbers need that.

    Its title stands above it, in one line: a table folds its own to its width.
    """
    if isinstance(grid.title, Text) and grid.title:
        out.print(grid.title, soft_wrap=True)
    grid.title = None
    out.print(grid, crop=False)


def fitting(title: str, needed: Sequence[Column], more: Sequence[Column]) -> Table:
    """A table of the needed columns and as many of the others, from the first, as there is room."""
    for count in range(len(more), 0, -1):
        grid = table(title, [*needed, *more[:count]])
        width = Width.get(out, out.options.update(width=10_000), grid).maximum
        if width <= out.width:
            return grid
    return table(title, needed)
