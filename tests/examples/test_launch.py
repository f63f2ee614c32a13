"""Every ready-made task that is not tested elsewhere goes through a search, in miniature."""

from pathlib import Path

import pytest

import hierprune
from hierprune.studies.ready_made import READY_MADE
from hierprune.studies.source import TaskSource

SEARCHES = [
    ("resnet20-fashion", "toy_images", "accuracy"),
    ("gru-g2p", "toy_words", "accuracy"),
    ("minilm-sentiment", "toy_sentences", "accuracy"),
    ("crepe-pitch", "toy_notes", "within_50_cents"),
]


@pytest.mark.parametrize(("name", "data", "metric"), SEARCHES)
def test_search(
    name: str,
    data: str,
    metric: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("HIERPRUNE_CACHE", str(tmp_path / "cache"))
    source = TaskSource.parse(name, data_dir=request.getfixturevalue(data))
    study = hierprune.launch(
        source, tmp_path / "run", trials=2, workers=0, objectives=[metric, "compression"]
    )
    assert study.counts()["complete"] == 2
    assert study.counts()["failed"] == 0
    assert (study.trials()["compression"] > 1).any()


def test_none_is_missing():
    searched = {name for name, *_ in SEARCHES} | {"lenet5-mnist", "lenet5-small-mnist"}
    assert searched == set(READY_MADE)
