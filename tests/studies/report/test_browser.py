"""What a reader of the report sees and does, in headless Chromium."""

from __future__ import annotations

import pytest

from hierprune.studies.report import write_report

from .conftest import Toy, write_study, write_tree

READY = "document.querySelector('.figure[data-ready]') !== null"
COLUMN = (
    "[...document.querySelectorAll('#models tbody tr')].map(r => r.cells[{}].dataset.key)"
    ".map(k => isNaN(k) ? k : Number(k))"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory, browser):
    """One report, opened once: what a test does to it, the next one finds."""
    home = tmp_path_factory.mktemp("report")
    study = write_study(home / "run", Toy())
    write_tree(study.run, Toy())
    path = write_report(study, home / "report.html")
    browser.open(path)
    return path


def show_all(browser):
    browser.run("document.querySelectorAll('.figure:not([hidden])').forEach(draw)")
    browser.wait(
        "[...document.querySelectorAll('.figure:not([hidden])')].every(f => f.dataset.ready)"
    )


def test_every_figure_draws_without_errors_or_requests(page, browser):
    show_all(browser)
    tabs = browser.run("document.querySelectorAll('.tabs button').length")
    assert tabs == 4
    for i in reversed(range(tabs)):  # the first ones are open again at the end
        browser.run(f"document.querySelectorAll('.tabs button')[{i}].click()")
        show_all(browser)
    assert browser.run("document.querySelectorAll('.figure .main-svg').length") > 0
    assert browser.errors() == []
    assert browser.requests() == []


def test_nothing_offers_to_send_the_study_away(page, browser):
    show_all(browser)
    titles = browser.run("[...document.querySelectorAll('.modebar-btn')].map(b => b.dataset.title)")
    assert titles
    assert not [t for t in titles if "hare" in t or "loud" in t]


def test_hover_shows_the_plan(page, browser):
    browser.wait(READY)
    browser.run("document.querySelector('#front').scrollIntoView()")
    point = browser.run(
        "(() => { const all = [...document.querySelectorAll('#front-1 .scatterlayer .trace')];"
        "const star = all[all.length - 2].querySelector('.point').getBoundingClientRect();"
        "return [star.x + star.width / 2, star.y + star.height / 2]; })()"
    )
    browser.mouse("mouseMoved", *point)
    browser.wait("document.querySelector('#front-1 .hoverlayer').textContent !== ''")
    text = browser.run("document.querySelector('#front-1 .hoverlayer').textContent")
    assert "dense model" in text
    assert "0.9840" in text


def test_the_axes_can_be_chosen(page, browser):
    browser.wait(READY)
    figure = "document.querySelector('#front-1')"

    def choose(which, name):
        browser.run(
            f"(() => {{ const s = document.querySelectorAll('#axes select')[{which}];"
            f"s.value = '{name}'; s.dispatchEvent(new Event('change')); }})()"
        )

    choose(1, "params")
    browser.wait(f"{figure}.dataset.axes === 'accuracy,params'")
    assert browser.run(f"{figure}.layout.xaxis.title.text") == "params ↓"
    assert browser.run(f"{figure}.layout.shapes.length") == 1
    dense = browser.run(f"{figure}.data.filter(t => t.name === 'dense').map(t => [t.x[0], t.y[0]])")
    assert dense == [[1, 0.984]]
    choose(1, "accuracy")
    browser.wait(f"{figure}.dataset.axes === 'params,accuracy'")
    line = browser.run(f"{figure}.data[1].y")
    assert line == sorted(line, reverse=True)
    assert browser.errors() == []


@pytest.mark.parametrize("column", [1, 8])
def test_sort_by_a_head_keeps_dense_on_top(page, browser, column):
    button = f"document.querySelectorAll('#models th button')[{column}]"
    before = browser.run(COLUMN.format(column))
    browser.run(f"{button}.click()")
    up = browser.run(COLUMN.format(column))
    assert up == [before[0], *sorted(before[1:])]
    browser.run(f"{button}.click()")
    assert browser.run(COLUMN.format(column)) == [before[0], *sorted(before[1:], reverse=True)]
    assert browser.run(f"{button}.parentElement.getAttribute('aria-sort')") == "descending"


def test_copy_takes_the_command(page, browser):
    browser.run(
        "(() => { window.taken = []; Object.defineProperty(navigator, 'clipboard',"
        "{ value: { writeText: async (t) => { taken.push(t); } } }); })()"
    )
    browser.run("document.querySelector('.copy').click()")
    browser.wait("document.querySelector('.copy').textContent === 'copied'")
    (taken,) = browser.run("taken")
    assert taken == browser.run("document.querySelector('td.command code').textContent")
    assert taken.startswith("hierprune pick ")


def test_it_fits_the_window_and_follows_the_scheme(page, browser):
    colours = set()
    for width, scheme in ((400, "dark"), (1400, "light")):
        browser.open(page, width=width, scheme=scheme)
        show_all(browser)
        assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        assert browser.run("innerWidth") == width
        paper = browser.run("getComputedStyle(document.body).backgroundColor")
        ink = browser.run("document.querySelector('#front-1').layout.font.color")
        colours |= {paper, ink}
        assert browser.errors() == []
    assert len(colours) == 4
