"""What a run knows of its picks."""

from __future__ import annotations

from pathlib import Path

from hierprune.studies.picks import note_pick, picks
from hierprune.studies.study import Study


def test_the_last_folder_of_every_trial_is_kept(tmp_path: Path) -> None:
    assert picks(tmp_path) == {}
    note_pick(tmp_path, 3, Path("a"))
    note_pick(tmp_path, 1, Path("b"))
    note_pick(tmp_path, 3, Path("c"))
    assert picks(tmp_path) == {3: "c", 1: "b"}
    (tmp_path / "picked.json").write_text("[")
    assert picks(tmp_path) == {}


def test_a_run_that_is_gone_or_locked_costs_nothing(tmp_path: Path) -> None:
    note_pick(tmp_path / "gone", 3, Path("a"))
    assert not (tmp_path / "gone").exists()


def test_saving_a_pick_is_remembered(study: Path) -> None:
    opened = Study.open(study / "study")
    picked = opened.pick()
    picked.save(study / "small")
    assert picks(opened.run)[picked.trial] == str(study / "small")
