"""A data set in miniature, in the files of MNIST."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from hierprune.examples.idx import IdxSet


def idx_bytes(values: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.astype(np.uint8).tobytes()


@pytest.fixture
def contents() -> dict[str, bytes]:
    random = np.random.default_rng(0)
    made = {}
    for part, count in (("train", 5100), ("t10k", 30)):
        images = random.integers(0, 256, (count, 28, 28))
        made[f"{part}-images-idx3-ubyte"] = idx_bytes(images)
        made[f"{part}-labels-idx1-ubyte"] = idx_bytes(random.integers(0, 10, count))
    return made


@pytest.fixture
def files(contents: dict[str, bytes]) -> IdxSet:
    """What the four files are called and hash to."""
    sums = {name: hashlib.md5(data).hexdigest() for name, data in contents.items()}
    return IdxSet("toy", "Toy", sums, ())


@pytest.fixture
def folder(contents: dict[str, bytes], tmp_path: Path) -> Path:
    """The four files, two of them packed."""
    made = tmp_path / "images"
    made.mkdir()
    for name, data in contents.items():
        if "labels" in name:
            (made / name).write_bytes(data)
        else:
            (made / f"{name}.gz").write_bytes(gzip.compress(data, 1))
    return made
