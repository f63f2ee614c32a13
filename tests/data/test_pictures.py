from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hierprune.data import images
from hierprune.errors import UsageError


def draw(folder: Path, count: int, start: int = 0) -> None:
    """White images of cats, black ones of dogs."""
    for name, value in (("cat", 255), ("dog", 0)):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = np.full((9, 12, 3), value, np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{start + i}.png")


def test_a_folder_of_classes_is_split(tmp_path: Path):
    draw(tmp_path, 20)
    found = images(tmp_path, 8)
    assert found.classes == ("cat", "dog")
    files = [f for part in (found.train, found.val, found.test) for f in part.files]
    assert len(set(files)) == len(files) == 40
    assert [len(p.files) for p in (found.train, found.val, found.test)] == [28, 6, 6]
    for part in (found.train, found.val, found.test):
        for inputs, targets in part:
            assert inputs.shape[1:] == (3, 8, 8)
            assert torch.equal(inputs[:, 0, 0, 0], 1.0 - targets)


def test_folders_of_parts_are_kept(tmp_path: Path):
    draw(tmp_path / "train", 10)
    draw(tmp_path / "test", 3)
    found = images(tmp_path, (4, 6), grey=True, mean=(0.5,), std=(0.5,))
    assert len(found.test.files) == 6
    assert len(found.train.files) + len(found.val.files) == 20
    inputs, targets = next(iter(found.test))
    assert inputs.shape == (6, 1, 4, 6)
    assert torch.equal(inputs[:, 0, 0, 0], 1.0 - 2 * targets)


def test_folders_of_another_layout(tmp_path: Path):
    with pytest.raises(UsageError, match="there is no folder"):
        images(tmp_path / "none", 8)
    with pytest.raises(UsageError, match="for every class"):
        images(tmp_path, 8)
    draw(tmp_path, 2)
    with pytest.raises(UsageError, match="at least 10 samples"):
        images(tmp_path, 8)


def test_a_file_that_is_no_image_is_named(tmp_path: Path):
    draw(tmp_path, 10)
    for file in tmp_path.rglob("*.png"):
        file.write_bytes(b"no image")
    with pytest.raises(UsageError, match=r"\.png is no image"):
        next(iter(images(tmp_path, 8).val))
