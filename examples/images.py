"""Small grey images: their pixels as a model takes them, and data sets in MNIST's files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..data.rows import Rows, Splits, with_held_out
from .idx import IdxSet, read_folder

HELD_OUT = 5000  # of the 60,000 images of a training file


def unmoved(pixels: Tensor) -> Tensor:
    """No augmentation."""
    return pixels


@dataclass(frozen=True)
class Pixels:
    """Makes a model's inputs of images.

    Attributes:
        mean: of the training images' pixels, in 0..255.
        std: likewise.
        augment: moves normalised images (B, 1, H, W), drawing from the global generator.
    """

    mean: float
    std: float
    augment: Callable[[Tensor], Tensor] = unmoved

    def __call__(self, images: Tensor) -> Tensor:
        """Images (B, H, W), uint8, to normalised and moved ones (B, 1, H, W)."""
        return self.augment((images.unsqueeze(1).float() - self.mean) / self.std)


def load_images(files: IdxSet, folder: Path, pixels: Pixels) -> Splits:
    """55,000 images for training, 5,000 of the training file for val, 10,000 for the test.

    Raises:
        UsageError: the folder does not hold the files.
    """
    arrays = read_folder(files, folder)
    known, test = (
        Rows(
            (torch.from_numpy(arrays[f"{part}-images-idx3-ubyte"]),),
            torch.from_numpy(arrays[f"{part}-labels-idx1-ubyte"]).long(),
            prepare=pixels,
        )
        for part in ("train", "t10k")
    )
    return with_held_out(files.name, known, test, HELD_OUT)
