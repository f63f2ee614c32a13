"""The four MNIST files: their format, and their checksums."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError

FILES: Mapping[str, str] = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
"""MD5 of every file, unpacked."""

Arrays = dict[str, NDArray[np.uint8]]


def read_folder(folder: Path) -> Arrays:
    """The four files of a folder, gzipped or not, checked.

    Returns:
        By file name: images (N, 28, 28) and labels (N,).

    Raises:
        UsageError: files that are missing or not the canonical ones, all of them named.
    """
    contents = {name: read_file(folder, name) for name in FILES}
    problems = [f"{name}[.gz] is missing" for name, data in contents.items() if data is None]
    problems += [
        f"{name} is not the canonical file (MD5 unpacked must be {FILES[name]})"
        for name, data in contents.items()
        if data is not None and not is_canonical(name, data)
    ]
    if problems:
        raise UsageError(f"no MNIST in {folder}: {'; '.join(problems)}")
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


def is_canonical(name: str, data: bytes) -> bool:
    """Whether the bytes are those of the original file."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest() == FILES[name]


def parse(data: bytes) -> NDArray[np.uint8]:
    """An array from IDX bytes: 0, 0, type 8 (unsigned byte), dimensions, sizes, values.

    >>> parse(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9])).tolist()
    [7, 9]
    """
    sizes = np.frombuffer(data, ">i4", count=data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(sizes).copy()
