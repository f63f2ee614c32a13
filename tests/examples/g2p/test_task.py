from pathlib import Path

import pytest
import torch

from hierprune.errors import UsageError
from hierprune.examples.g2p.task import gru_g2p, phoneme_accuracy, phoneme_loss
from hierprune.studies.check import check_task


def test_task(toy_words: Path):
    task = gru_g2p(str(toy_words))
    check_task(task)
    assert (task.name, task.data, task.training) == ("gru-g2p", "g2p", None)


def test_without_a_folder(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HIERPRUNE_DATA", raising=False)
    with pytest.raises(UsageError, match=r"'g2p'.*data\.npz.*--data-dir"):
        gru_g2p()


def test_padding_counts_neither_in_the_loss_nor_in_the_metric():
    phonemes = torch.tensor([[5, 6, 3, 0], [5, 3, 0, 0]])
    logits = torch.zeros(2, 4, 74)
    logits[0, :, 5] = logits[1, 1, 3] = logits[1, 2:, 7] = 9.0
    assert phoneme_accuracy(logits, phonemes).tolist() == pytest.approx([1 / 3, 1 / 2])
    other = logits.clone()
    other[phonemes == 0] = torch.randn(3, 74)
    assert phoneme_loss(other, phonemes) == phoneme_loss(logits, phonemes)
    assert phoneme_loss(torch.zeros(2, 4, 74), phonemes).item() == pytest.approx(4.3041, abs=1e-4)
