"""Data sets in the four files of MNIST: their format, and their checksums."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError


@dataclass(frozen=True)
class IdxSet:
    """One data set in the four files.

    Attributes:
        name: what it is called in records and folders.
        title: what it is called in messages.
        sums: MD5 of every file, unpacked, by file name.
        mirrors: addresses that hold the files, gzipped.
    """

    name: str
    title: str
    sums: Mapping[str, str]
    mirrors: tuple[str, ...]


Arrays = dict[str, NDArray[np.uint8]]


def read_folder(files: IdxSet, folder: Path) -> Arrays:
    """The four files of a folder, gzipped or not, checked.

    Returns:
        By file name: images (N, 28, 28) and labels (N,).

    Raises:
        UsageError: files that are missing or not the canonical ones, all of them named.
    """
    contents = {name: read_file(folder, name) for name in files.sums}
    problems = [f"{name}[.gz] is missing" for name, data in contents.items() if data is None]
    problems += [
        f"{name} is not the canonical file (MD5 unpacked must be {files.sums[name]})"
        for name, data in contents.items()
        if data is not None and not is_canonical(files, name, data)
    ]
    if problems:
        raise UsageError(f"no {files.title} in {folder}: {'; '.join(problems)}")
    return {name: parse(data) for name, data in contents.items() if data is not None}


def read_file(folder: Path, name: str) -> bytes | None:
    """A file's bytes, unpacked; None when it is missing, b"" when the packing is damaged."""
    plain, packed = folder / name, folder / f"{name}.gz"
    if plain.is_file():
        return plain.read_bytes()
    if not packed.is_file():
        return None
    try:
        return gzip.decompress(packed.read_bytes())
    except (OSError, EOFError):
        return b""


def is_canonical(files: IdxSet, name: str, data: bytes) -> bool:
    """Whether the bytes are those of the original file."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest() == files.sums[name]


def parse(data: bytes) -> NDArray[np.uint8]:
    """An array from IDX bytes: 0, 0, type 8 (unsigned byte), dimensions, sizes, values.

    >>> parse(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9])).tolist()
    [7, 9]
    """
    sizes = np.frombuffer(data, ">i4", count=data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(sizes).copy()
