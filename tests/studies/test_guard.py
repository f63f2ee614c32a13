"""A worker that ends itself, and leaves word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hierprune.studies.spool import Spool

WORKER = """
import sys, time
from pathlib import Path
from toy import proposal
from hierprune.studies.guard import keep_prints, watchdog
from hierprune.studies.spool import Spool
from hierprune.studies.trial import Trial
run, limit, work = Path(sys.argv[1]), eval(sys.argv[2]), float(sys.argv[3])
keep_prints(run)
print("working")
with watchdog(Trial(4, proposal(0).plan, attempt=2), limit, Spool(run / "spool")):
    time.sleep(work)
print("done", flush=True)
"""


def work(run: Path, limit: str, seconds: str) -> int:
    (run / "spool").mkdir(exist_ok=True)
    path = str(Path(__file__).parents[2] / "benchmarks" / "cluster")
    command = [sys.executable, "-c", WORKER, str(run), limit, seconds]
    done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, timeout=60)
    assert done.stdout == b""
    return done.returncode


def test_a_hang_ends_and_is_told_as_a_timeout(tmp_path: Path) -> None:
    assert work(tmp_path, "0.2", "50") == 1
    outcome = Spool(tmp_path / "spool").get(4, 2)
    assert outcome is not None
    assert outcome.kind == "timeout"
    assert "longer than 0.2 s" in outcome.error


def test_in_time_nothing_happens_and_prints_are_kept(tmp_path: Path) -> None:
    assert work(tmp_path, "50", "0") == 0
    assert work(tmp_path, "None", "0") == 0
    assert list((tmp_path / "spool").iterdir()) == []
    logs = [p.read_text() for p in (tmp_path / "logs").iterdir()]
    assert logs == ["working\ndone\n"] * 2
