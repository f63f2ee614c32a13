"""Every schedule is documented, and offered by the command line."""

from __future__ import annotations

import re
from pathlib import Path

import click

from hierprune.cli import launch, prune
from hierprune.pruners.schedules.curves import SCHEDULES

PAGE = Path(__file__).parents[2] / "docs" / "training.md"


def test_schedules_are_documented_in_their_order() -> None:
    names = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), flags=re.MULTILINE)
    assert names == list(SCHEDULES)


def test_schedules_are_completed_on_the_command_line() -> None:
    options = [p for c in (prune, launch) for p in c.params if p.name in ("schedule", "schedules")]
    assert len(options) == 2
    for option in options:
        offered = option.shell_complete(click.Context(prune), "")
        assert [item.value for item in offered] == list(SCHEDULES)
