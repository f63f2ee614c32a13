"""A study as a notebook shows it."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from hierprune.studies.study import Study


class Cells(HTMLParser):
    """What stands in the cells of a table."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tag = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tag = tag

    def handle_data(self, data: str) -> None:
        if self.tag in ("td", "th"):
            self.found.append(data)


def test_the_front_stands_below_the_dense_model(study: Path) -> None:
    opened = Study.open(study / "study")
    cells = Cells()
    cells.feed(opened._repr_html_())
    assert cells.found[:5] == ["trial", "accuracy", "params", "removed", "dense"]
    for record in opened.front_records():
        assert str(record.number) in cells.found


def test_names_are_text(study: Path) -> None:
    opened = Study.open(study / "study")
    opened.asked = replace(opened.asked, data="<script>")
    text = opened._repr_html_()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
