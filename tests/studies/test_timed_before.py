import pytest
import torch
from torch import nn

from hierprune.objectives.runtime import Setting
from hierprune.studies.timed_before import TimedBefore


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HIERPRUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def place(width: int = 4, setting: Setting | None = None, batch: int = 1, more=None) -> TimedBefore:
    return TimedBefore.of(
        "table", setting or Setting(), nn.Linear(4, width), torch.zeros(batch, 4), more
    )


def test_what_was_kept_is_read_again_whatever_the_weights():
    assert place().read() is None
    place().keep({"rows": [1.5]})
    assert place().read() == {"rows": [1.5]}


def test_another_architecture_setting_input_or_space_is_another_place():
    others = [
        place(5),
        place(setting=Setting(threads=2)),
        place(batch=2),
        place(more=["channel"]),
    ]
    assert len({p.file for p in [place(), *others]}) == 5


def test_times_of_another_machine_are_not_kept(cache):
    there = place(setting=Setting("remote", command="cat"))
    there.keep(3)
    assert there.read() is None
    assert not cache.exists()


def test_a_damaged_file_and_a_cache_that_cannot_be_written_cost_no_result(cache):
    place().keep(1)
    place().file.write_text("{")
    assert place().read() is None
    cache.rename(cache.with_name("away"))
    cache.write_text("a file")
    place().keep(2)
    assert place().read() is None
