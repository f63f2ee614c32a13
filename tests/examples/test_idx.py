from pathlib import Path

import pytest

from hierprune.errors import UsageError
from hierprune.examples.idx import IdxSet, parse, read_folder


def test_reads_plain_and_packed_files(folder: Path, files: IdxSet, contents: dict[str, bytes]):
    arrays = read_folder(files, folder)
    assert arrays.keys() == contents.keys()
    assert arrays["train-images-idx3-ubyte"].shape == (110, 28, 28)
    assert arrays["t10k-labels-idx1-ubyte"].shape == (30,)
    pixels = arrays["t10k-images-idx3-ubyte"]
    assert pixels.tobytes() == contents["t10k-images-idx3-ubyte"][16:]


def test_all_that_is_wrong_is_said(folder: Path, files: IdxSet):
    (folder / "train-labels-idx1-ubyte").unlink()
    packed = folder / "t10k-images-idx3-ubyte.gz"
    packed.write_bytes(packed.read_bytes()[:-20])
    (folder / "t10k-labels-idx1-ubyte").write_bytes(b"other")
    with pytest.raises(UsageError) as caught:
        read_folder(files, folder)
    message = str(caught.value)
    assert message.startswith(f"no Toy in {folder}: ")
    assert "train-labels-idx1-ubyte[.gz] is missing" in message
    assert "t10k-images-idx3-ubyte is not the canonical file" in message
    assert "t10k-labels-idx1-ubyte is not the canonical file" in message
    assert "train-images" not in message


def test_parse_shapes():
    data = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, *range(6)])
    assert parse(data).tolist() == [[0, 1, 2], [3, 4, 5]]
