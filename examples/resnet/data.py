"""Fashion-MNIST in memory, and how its images are moved in training."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from ...data.rows import Splits
from ...errors import UsageError
from ...studies.dense import default_cache
from ..download import download
from ..folder import data_folder
from ..idx import IdxSet
from ..images import Pixels, load_images

PIXELS = Pixels(mean=72.9, std=90.0)
FASHION = IdxSet(
    "fashion-mnist",
    "Fashion-MNIST",
    {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    ),
)

WAYS_OUT = (
    "there is no Fashion-MNIST here and none of its mirrors answers. Give a folder that holds the "
    "four IDX files (--data-dir DIR, or HIERPRUNE_DATA=DIR), or connect to the internet"
)


@dataclass(frozen=True)
class ShiftAndFlip:
    """Move every image by itself, by up to ``reach`` pixels, and mirror every other one."""

    reach: int

    def __call__(self, pixels: Tensor) -> Tensor:
        """Images (B, 1, H, W); the border is filled with the darkest pixel of the batch."""
        count, _, height, width = pixels.shape
        wide = F.pad(pixels[:, 0], [self.reach] * 4, value=pixels.min().item())
        start = torch.randint(0, 2 * self.reach + 1, (2, count, 1))
        down, right = start[0] + torch.arange(height), start[1] + torch.arange(width)  # (B, H or W)
        right = torch.where(torch.rand(count, 1) < 0.5, right.flip(1), right)
        return wide[torch.arange(count)[:, None, None], down[:, :, None], right[:, None]][:, None]


def load_fashion(data_dir: str | Path | None) -> Splits:
    """Fashion-MNIST from a folder, the cache or the internet.

    Args:
        data_dir: a folder of the four IDX files, or with a folder ``fashion-mnist`` of them; None:
            $HIERPRUNE_DATA, or wherever they are.

    Raises:
        UsageError: the folder does not hold the files, or there is no source at all.
    """
    given = data_folder(FASHION.name, data_dir)
    if given:
        return load_images(FASHION, given, PIXELS)
    kept = default_cache() / FASHION.name
    with suppress(UsageError):
        return load_images(FASHION, kept, PIXELS)
    if not download(FASHION, kept):
        raise UsageError(WAYS_OUT)
    return load_images(FASHION, kept, PIXELS)
