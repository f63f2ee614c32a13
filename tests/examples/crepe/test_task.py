from pathlib import Path

import pytest

from hierprune.errors import UsageError
from hierprune.examples.crepe.task import crepe_pitch
from hierprune.studies.check import check_task


def test_task(toy_notes: Path):
    task = crepe_pitch(str(toy_notes))
    check_task(task)
    assert (task.name, task.data, task.training) == ("crepe-pitch", "pitch", None)


def test_without_a_folder(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HIERPRUNE_DATA", raising=False)
    with pytest.raises(UsageError, match=r"'pitch'.*data\.npz.*--data-dir"):
        crepe_pitch()
