from pathlib import Path

import torch

from hierprune.examples.idx import IdxSet
from hierprune.examples.images import Pixels, load_images


def test_pixels_are_normalised_then_moved():
    images = torch.full((2, 28, 28), 30, dtype=torch.uint8)
    assert Pixels(10.0, 5.0)(images).equal(torch.full((2, 1, 28, 28), 4.0))
    assert Pixels(10.0, 5.0, augment=torch.neg)(images).equal(torch.full((2, 1, 28, 28), -4.0))


def test_the_end_of_the_training_file_is_val(folder: Path, files: IdxSet):
    splits = load_images(files, folder, Pixels(0.0, 1.0))
    assert splits.name == "toy"
    assert [len(s.targets) for s in (splits.train, splits.val, splits.test)] == [100, 10, 30]
    inputs, targets = next(iter(splits.test))
    assert inputs.shape == (30, 1, 28, 28)
    assert targets.dtype == torch.int64
