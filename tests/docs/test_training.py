"""Every schedule is documented, and offered by the command line."""

from __future__ import annotations

import re
from pathlib import Path

import hierprune.arguments
from hierprune.pruners.schedules.curves import SCHEDULES

PAGE = Path(__file__).parents[2] / "docs" / "training.md"


def test_schedules_are_documented_in_their_order() -> None:
    names = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), flags=re.MULTILINE)
    assert names == list(SCHEDULES)


def test_schedules_are_completed_on_the_command_line() -> None:
    code = Path(hierprune.arguments.__file__).read_text()
    option = code.partition('"--schedule"')[2].partition("click.option")[0]
    assert set(SCHEDULES) <= set(re.findall(r'"(\w+)"', option))
