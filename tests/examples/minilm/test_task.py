from pathlib import Path

import pytest
import torch

from hierprune.errors import UsageError
from hierprune.examples.minilm.task import minilm_sentiment
from hierprune.studies.check import check_task


def test_task(toy_sentences: Path):
    task = minilm_sentiment(str(toy_sentences))
    check_task(task)
    assert (task.name, task.data, task.training) == ("minilm-sentiment", "sentiment", None)
    ids, mask = task.example()
    assert ids.shape == mask.shape
    assert mask.sum() == max(int(m.sum(dim=1).max()) for (_, m), _ in task.val)
    torch.manual_seed(0)
    assert next(iter(task.train))[1].shape == (24,)


def test_without_a_folder(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HIERPRUNE_DATA", raising=False)
    with pytest.raises(UsageError, match=r"'sentiment'.*data\.npz.*head\.pt.*--data-dir"):
        minilm_sentiment()
