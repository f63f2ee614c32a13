"""Images in a folder for every class, decoded when they are first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import UsageError
from .arrays import BYTE
from .rows import HELD_OUT, drawn

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}


@dataclass(frozen=True)
class Look:
    """How an image becomes a model's input.

    Attributes:
        size: height and width in pixels.
        grey: one channel in the place of three.
        mean: subtracted from pixels in [0, 1], by channel.
        std: then divided by, by channel.
    """

    size: tuple[int, int]
    grey: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Images:
    """Batches of images of one split, decoded once and held in memory as bytes.

    Attributes:
        files: (N,).
        targets: class of every file, (N,).
        look: of the inputs.
        batch: images per batch.
        shuffle: draw a new order from the global generator at every pass.
    """

    files: Sequence[Path] = field(repr=False)
    targets: Tensor = field(repr=False)
    look: Look
    batch: int
    shuffle: bool = False

    def __len__(self) -> int:
        return -(-len(self.files) // self.batch)

    @cached_property
    def pixels(self) -> Tensor:
        """All images, (N, channels, H, W), uint8."""
        return torch.stack([decoded(file, self.look) for file in self.files])

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs (B, channels, H, W), float32, and targets (B,)."""
        count = len(self.files)
        order = torch.randperm(count) if self.shuffle else torch.arange(count)
        mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (self.look.mean, self.look.std))
        for rows in torch.split(order, self.batch):
            yield (self.pixels[rows].float() / BYTE - mean) / std, self.targets[rows]


@dataclass(frozen=True)
class ImageSplits:
    """Disjoint images for training, for the search and for the final test, and their classes."""

    name: str
    classes: tuple[str, ...]
    train: Images
    val: Images
    test: Images


def images(
    folder: str | Path,
    size: tuple[int, int] | int,
    *,
    grey: bool = False,
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
    batch: int = 64,
    seed: int = 0,
) -> ImageSplits:
    """Images of ``FOLDER/CLASS/*.png``, or of ``FOLDER/train|val|test/CLASS/*.png``.

    Classes count from 0 in alphabetical order. Without folders of that name 15 % of the images
    are drawn for val, and 15 % for test. Images are resized to ``size``; nothing is augmented.

    Args:
        folder: see above.
        size: height and width in pixels, or one number for both.
        grey: one channel in the place of three.
        mean: subtracted from pixels in [0, 1], by channel or one for all.
        std: then divided by.
        batch: images per batch.
        seed: of the order in which images are drawn.

    Raises:
        UsageError: the folder is laid out in another way, a file is no image, or the package
            pillow is missing.
    """
    folder = Path(folder)
    height, width = (size, size) if isinstance(size, int) else size
    look = Look((height, width), grey, tuple(mean), tuple(std))
    parts = {p: folder / p for p in ("train", "val", "test") if (folder / p).is_dir()}
    named = {p: by_class(f) for p, f in (parts or {"train": folder}).items()}
    classes = tuple(sorted(set().union(*named.values())))
    if "train" not in named or len(classes) < 2:
        raise UsageError(
            f"{folder} must hold a folder of images for every class, or such folders in "
            f"train, val and test; found {', '.join(classes) or 'none'}"
        )
    listed = {p: pairs(found, classes) for p, found in named.items()}
    share = HELD_OUT
    for part in ("test", "val"):
        if part not in listed:
            known = listed["train"]
            kept, held = drawn(str(folder), len(known), share, seed)
            listed["train"], listed[part] = [known[i] for i in kept], [known[i] for i in held]
            share = HELD_OUT / (1 - HELD_OUT)
    train, val, test = (made(listed[p], look, batch) for p in ("train", "val", "test"))
    shuffled = Images(train.files, train.targets, look, batch, shuffle=True)
    return ImageSplits(folder.name, classes, shuffled, val, test)


Pairs = list[tuple[Path, int]]


def by_class(folder: Path) -> Mapping[str, list[Path]]:
    """The images in every folder of a folder, by its name."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    found = {
        f.name: sorted(p for p in f.rglob("*") if p.suffix.lower() in SUFFIXES)
        for f in sorted(folder.iterdir())
        if f.is_dir() and not f.name.startswith(".")
    }
    return {name: files for name, files in found.items() if files}


def pairs(found: Mapping[str, list[Path]], classes: Sequence[str]) -> Pairs:
    """Files with the number of their class."""
    return [(file, classes.index(name)) for name, files in found.items() for file in files]


def made(listed: Pairs, look: Look, batch: int) -> Images:
    """Batches of these files."""
    return Images([f for f, _ in listed], torch.tensor([c for _, c in listed]), look, batch)


def decoded(file: Path, look: Look) -> Tensor:
    """One image, (channels, H, W), uint8.

    Raises:
        UsageError: it is none, or pillow is missing.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise UsageError('images need pillow: pip install "hierprune[images]"') from error
    try:
        with Image.open(file) as opened:
            height, width = look.size
            image = opened.convert("L" if look.grey else "RGB").resize((width, height))
    except OSError as error:
        raise UsageError(f"{file} is no image that can be read: {error}") from error
    array = np.array(image, dtype=np.uint8)
    return torch.from_numpy(array.reshape(height, width, -1)).permute(2, 0, 1)
