"""What travels to machines that see nothing of the user's disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from hierprune.studies import shipping
from hierprune.studies.shipped import ROOT, found
from hierprune.studies.shipping import cargo, lay_out
from hierprune.studies.source import TaskSource

INSIDE = ["run/run.json", "mine.py", "helper/__init__.py", "labels.txt", "run/cache/tree.json"]
OUTSIDE = [".git/config.py", "big.bin", "venv/x.py", "__pycache__/mine.py", "run/study.jsonl"]


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shipping, "MAX_FILE_BYTES", 100)
    for name in [*INSIDE, *OUTSIDE, "venv/pyvenv.cfg"]:
        path = tmp_path / "home" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * (101 if name == "big.bin" else 1))
    return tmp_path / "home"


def goods(disk: Path) -> list[Path]:
    return cargo(disk / "run", TaskSource.parse(f"{disk}/mine.py:task"))


def test_the_task_its_neighbours_and_what_the_run_needs_travel(disk: Path) -> None:
    assert {p.relative_to(disk).as_posix() for p in goods(disk)} == set(INSIDE)


def test_a_ready_made_task_has_no_neighbours(disk: Path) -> None:
    names = {p.name for p in cargo(disk / "run", TaskSource("lenet5-mnist"))}
    assert names == {p.name for p in cargo(disk / "run", None)} == {"run.json", "tree.json"}


def test_a_copy_is_found_where_the_path_is_not(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(goods(disk), tmp_path / "there")
    monkeypatch.setenv(ROOT, str(tmp_path / "there"))
    mine = disk / "mine.py"
    assert found(mine) == mine
    mine.unlink()
    assert found(mine).read_text() == "x"
    assert found(mine).is_relative_to(tmp_path / "there")
    assert found(disk / "none.py") == disk / "none.py"
    monkeypatch.delenv(ROOT)
    assert found(mine) == mine


def test_too_much_leaves_the_caches_behind(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "MAX_BYTES", len(INSIDE) - 1)
    lay_out(goods(disk), tmp_path / "there")
    copies = {p.name for p in (tmp_path / "there").rglob("*") if p.is_file()}
    assert copies == {"run.json", "mine.py", "__init__.py", "labels.txt"}
