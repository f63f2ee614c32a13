"""Every column of the tables is explained."""

from __future__ import annotations

import re
from pathlib import Path

from hierprune.studies.study import Study

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"


def test_columns_are_documented(finished: Path) -> None:
    heads = " ".join(line.split("|")[1] for line in PAGE.read_text().splitlines() if "|" in line)
    known = set(re.findall(r"`([^`]+)`", heads))
    study = Study.open(finished / "study")
    for frame in (study.trials(), study.front()):
        assert {c for c in frame.columns if not c.startswith("density:")} <= known
        assert frame.index.name == "trial"
