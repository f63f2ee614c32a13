"""How long a report takes to write and to open, and how large it is.

Studies of the tests (:mod:`tests.studies.report.conftest`: real ledger and journal, made-up
trials) with 60 groups and three objectives. Written by the command line in a process of its own,
start included; opened in headless Chromium at 1400 x 900: the seconds from the navigation until
the page is loaded, its first figure drawn and its table sorted by a click.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

HELPERS = Path(__file__).parents[2] / "tests/studies/report/conftest.py"
READY = (
    "document.readyState === 'complete' && document.querySelector('.figure[data-ready]') !== null"
)
SORT = (
    "(() => { document.querySelectorAll('#models th button')[1].click();"
    "return document.querySelector('#models th[aria-sort]') !== null; })()"
)


def helpers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("report_helpers", HELPERS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def written(run: Path, page: Path) -> dict[str, float]:
    """Wall and CPU seconds of ``hierprune report``, and the size of the page."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "hierprune", "report", str(run), "--out", str(page)]
    subprocess.run(command, check=True, capture_output=True)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"write_s": wall, "write_cpu_s": cpu, "size_mb": page.stat().st_size / 1e6}


def opened(browser: Any, page: Path) -> dict[str, float]:
    """Wall seconds, and CPU seconds of the page's main thread, until it can be used."""
    browser.open(page)  # sizes of the window, and a warm file cache
    browser.send("Performance.enable", timeDomain="threadTicks")
    before, start = busy(browser), time.monotonic()
    browser.send("Page.reload")
    browser.wait(READY)
    assert browser.run(SORT)
    seconds, after = time.monotonic() - start, busy(browser)
    browser.send("Performance.disable")
    assert browser.errors() == []
    return {"open_s": seconds, "open_cpu_s": after - before if after > before else after}


def busy(browser: Any) -> float:
    """CPU seconds of the main thread so far."""
    metrics = browser.send("Performance.getMetrics")["metrics"]
    return float(next(m["value"] for m in metrics if m["name"] == "TaskDuration"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", nargs="*", type=int, default=[3, 100, 10_000])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    tools = helpers()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        browser = tools.Browser(home / "profile")
        for trials in options.trials:
            toy = tools.Toy(trials=trials, failures=trials // 100, groups=60)
            study = tools.write_study(home / f"run-{trials}", toy)
            tools.write_tree(study.run, toy)
            page = home / f"{trials}.html"
            rounds = [written(study.run, page) for _ in range(options.repeats)]
            found = {key: min(r[key] for r in rounds) for key in rounds[0]}
            rounds = [opened(browser, page) for _ in range(options.repeats)]
            found |= {key: min(r[key] for r in rounds) for key in rounds[0]}
            figures = {key: round(value, 2) for key, value in found.items()}
            print(json.dumps({"trials": trials, "front": len(study.front_records()), **figures}))
        browser.close()


if __name__ == "__main__":
    main()
