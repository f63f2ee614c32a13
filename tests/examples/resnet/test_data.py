from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hierprune.errors import UsageError
from hierprune.examples.idx import IdxSet
from hierprune.examples.resnet import data
from hierprune.examples.resnet.data import ShiftAndFlip, load_fashion


@pytest.fixture
def cache(tmp_path: Path, files: IdxSet, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a machine without network and settings."""
    monkeypatch.setenv("HIERPRUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HIERPRUNE_DATA", raising=False)
    monkeypatch.setattr(data, "download", lambda files, folder: False)
    monkeypatch.setattr(data, "FASHION", replace(data.FASHION, sums=files.sums))
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def test_sources(cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    assert load_fashion(folder).name == "fashion-mnist"
    with pytest.raises(UsageError, match="no Fashion-MNIST in"):
        load_fashion(cache)
    with pytest.raises(UsageError, match=r"--data-dir.*HIERPRUNE_DATA.*internet"):
        load_fashion(None)
    (cache / "fashion-mnist").symlink_to(folder)
    assert len(load_fashion(None).train.targets) == 100
    monkeypatch.setenv("HIERPRUNE_DATA", str(cache))
    assert len(load_fashion(None).test.targets) == 30


def test_download_is_used(cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(data, "download", lambda files, kept: kept.symlink_to(folder) is None)
    assert len(load_fashion(None).val.targets) == 10


def test_every_image_moves_by_itself_and_may_be_mirrored():
    torch.manual_seed(0)
    pixels = torch.full((4000, 1, 28, 28), -1.0)
    pixels[:, 0, 10, 5] = 1
    moved = ShiftAndFlip(2)(pixels)
    assert moved.shape == pixels.shape
    spots = (moved[:, 0] > 0).nonzero()
    assert spots[:, 0].equal(torch.arange(4000))
    seen = {(down, right) for _, down, right in spots.tolist()}
    plain = {(10 + down, 5 + right) for down in range(-2, 3) for right in range(-2, 3)}
    assert seen == plain | {(down, 27 - right) for down, right in plain}
    assert (spots[:, 2] > 14).float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert (moved == -1).sum() == 4000 * (28 * 28 - 1)


def test_a_shift_of_zero_only_mirrors():
    torch.manual_seed(0)
    pixels = torch.rand(50, 1, 6, 5)
    moved = ShiftAndFlip(0)(pixels)
    same = (moved == pixels).flatten(1).all(dim=1)
    assert 0 < same.sum() < 50
    assert moved[~same].equal(pixels[~same].flip(3))
