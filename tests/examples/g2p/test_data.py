from pathlib import Path

import numpy as np
import pytest
import torch

from hierprune.errors import UsageError
from hierprune.examples.g2p.data import load_words, trained_model, weights_file


def test_words(toy_words: Path):
    splits = load_words(toy_words)
    assert [len(s.targets) for s in (splits.train, splits.val, splits.test)] == [30, 10, 40]
    (letters, lengths, previous), phonemes = next(iter(splits.val))
    assert (letters > 0).sum(dim=1).equal(lengths)
    assert previous[:, 0].tolist() == [2] * 10
    assert previous[:, 1:].equal(phonemes[:, :-1].where(phonemes[:, :-1] != 3, previous[:, 1:]))
    with pytest.raises(UsageError, match=r"data\.npz"):
        load_words(toy_words.parent)


def test_weights_of_the_folder_or_of_the_package(
    toy_words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    package = tmp_path / "site" / "g2p_en"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    own = weights_file(toy_words)
    assert own == toy_words / "weights.pt"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"weights\.pt.*pip install --no-deps g2p-en"):
        weights_file(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr("hierprune.examples.g2p.model.WIDTH", 12)
    monkeypatch.syspath_prepend(str(package.parent))
    state = torch.load(own, weights_only=True)
    np.savez(package / "checkpoint20.npz", **{k: v.numpy() for k, v in state.items()})
    theirs = weights_file(tmp_path)
    assert theirs == package / "checkpoint20.npz"
    letters = torch.randint(0, 29, (2, 5)), torch.tensor([3, 5]), torch.randint(0, 74, (2, 4))
    assert trained_model(own)(*letters).equal(trained_model(theirs)(*letters))


def test_other_weights(toy_words: Path):
    torch.save({"fc_b": torch.zeros(3)}, toy_words / "weights.pt")
    with pytest.raises(UsageError, match=r"weights\.pt.*fc_b must be \(74,\), got \(3,\)"):
        trained_model(toy_words / "weights.pt")
