"""What one-layer sensitivities cost is said before the first trial."""

from pathlib import Path

from small import Heard, task

from hierprune.search.space import SpaceOptions
from hierprune.studies.begin import prepare_study
from hierprune.studies.pending import Pending
from hierprune.studies.prepare import CACHE, read_profile
from hierprune.studies.request import Request


def noted(folder: Path, allocation: str) -> list[str]:
    """What is said of sensitivities while a study is prepared."""
    notes, space = Heard(), SpaceOptions(allocations={"channel": (allocation,)})
    folder.mkdir()
    prepare_study(folder, Pending(None, Request(space=space)), task(), notes)
    return [n for n in notes.noted if "sensitivities" in n and "trial" in n]


def test_as_trials_where_they_were_measured(tmp_path: Path) -> None:
    (line,) = noted(tmp_path / "run", "dp")
    assert line.startswith("one-layer sensitivities (channel, activation) took ")
    assert "as long as" in line
    profile = read_profile(tmp_path / "run" / CACHE, "channel", "activation")
    assert profile is not None
    assert profile.seconds > 0
    assert noted(tmp_path / "other", "uniform") == []
