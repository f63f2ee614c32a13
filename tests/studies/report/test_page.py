import math
import re
from html.parser import HTMLParser

import pytest

from hierprune.errors import UsageError
from hierprune.studies.report import write_report
from hierprune.studies.report.page import panels
from hierprune.studies.report.view import View


class Text(HTMLParser):
    """The words of a page, and the addresses its elements load."""

    def __init__(self):
        super().__init__()
        self.tags, self.loaded, self.words, self.hidden = [], [], [], False

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.hidden = tag in ("script", "style")
        self.loaded += [v for k, v in attrs if k in ("src", "href") and not v.startswith("data:")]

    def handle_endtag(self, tag):
        self.hidden = False

    def handle_data(self, data):
        if not self.hidden:
            self.words.append(data)


def read(study, tmp_path):
    page = write_report(study, tmp_path / "out" / "report.html")
    text = Text()
    text.feed(page.read_text(encoding="utf-8"))
    return text, re.sub(r"\s+", " ", "".join(text.words))


def test_everything_is_said_and_nothing_is_loaded(make_study, tmp_path):
    study = make_study()
    text, words = read(study, tmp_path)
    assert text.loaded == []
    for part in (
        "toy-task",
        "toy data",
        "validation",
        "plans finished",
        f"{study.hypervolume():#.4g}",
        "makes the outputs",
        "RuntimeError: out of memory",
        "hierprune pick",
        "What the search cost",
        "2.0 s",
    ):
        assert part in words
    front, cost = 1 + 1 + len(study.front_records()), 1 + 1 + 1
    assert text.tags.count("tr") == front + cost


@pytest.mark.parametrize("trials", [0, 1, 3])
def test_small_studies(make_study, tmp_path, trials):
    text, words = read(make_study(trials=trials, failures=2), tmp_path)
    assert ("No trial has finished yet" in words) == (trials == 0)
    assert "Failures" in words
    assert text.tags.count("table") == (2 if trials else 0)


def test_names_and_errors_are_text(make_study, tmp_path):
    evil = "</script><img src=x onerror=alert(1)>"
    study = make_study(name="run", data=evil, errors=(f"boom\n{evil}",))
    text, words = read(study, tmp_path)
    assert "img" not in text.tags
    assert words.count(evil) >= 2


def test_a_place_that_cannot_be_written(make_study, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write the report to"):
        write_report(make_study(), tmp_path / "file" / "report.html")


def test_sensitivities_that_were_not_measured_are_explained(make_study, tmp_path):
    study = make_study()
    assert "was not measured" not in read(study, tmp_path)[1]
    (file,) = (study.run / "cache").glob("profile-*")
    file.unlink()
    assert "What thinning each layer alone costs was not measured" in read(study, tmp_path)[1]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_do_not_break_the_page(make_study, value):
    view = View.of(make_study())
    for i in view.front[:3]:
        view.records[i].values.update(loss=value, params=value)
        view.records[i].interval.update(loss=(value, value))
    for panel in panels(view):
        for text in [panel.choices, *(figure for _, figure in panel.tabs)]:
            for constant in ("NaN", "Infinity"):
                assert not re.search(rf"[\[:, ]-?{constant}[\],}}]", text or "")
