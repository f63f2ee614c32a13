from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hierprune.data import Rows, Splits, tensors
from hierprune.errors import UsageError

X, Y = torch.arange(40.0).view(20, 2), torch.arange(20)


def rows(part: Rows) -> list[int]:
    return sorted(int(y) for _, ys in part for y in ys)


def all_rows(found: Splits) -> list[int]:
    return sorted(rows(found.train) + rows(found.val) + rows(found.test))


@pytest.mark.parametrize("suffix", [".npz", ".pt", ".safetensors"])
def test_rows_in_one_piece_are_split(tmp_path: Path, suffix: str):
    file = tmp_path / f"data{suffix}"
    write = {
        ".npz": lambda: np.savez(file, x=X.numpy(), y=Y.numpy()),
        ".pt": lambda: torch.save({"x": X, "y": Y}, file),
        ".safetensors": lambda: save_file({"x": X, "y": Y}, file),
    }
    write[suffix]()
    found = tensors(file)
    assert [len(rows(p)) for p in (found.train, found.val, found.test)] == [14, 3, 3]
    assert all_rows(found) == list(range(20))
    assert all((x[:, 0] == 2 * y).all() for x, y in found.val)
    assert rows(tensors(file, seed=1).val) != rows(found.val)


def test_known_parts_are_kept(tmp_path: Path):
    file = tmp_path / "data.npz"
    parts = {"x_train": X[:12], "y_train": Y[:12], "test_x": X[12:], "test_y": Y[12:]}
    np.savez(file, **{n: v.numpy() for n, v in parts.items()})
    found = tensors(file)
    assert rows(found.test) == list(range(12, 20))
    assert sorted(rows(found.train) + rows(found.val)) == list(range(12))
    assert len(rows(found.val)) == 2
    np.savez(file, **{n: v.numpy() for n, v in parts.items()}, x_val=X[:3], y_val=Y[:3])
    assert rows(tensors(file).val) == [0, 1, 2]
    assert rows(tensors(file).train) == list(range(12))


def test_bytes_become_floats_and_other_types_single_precision(tmp_path: Path):
    file = tmp_path / "data.npz"
    np.savez(file, a=np.full((20, 2), 255, np.uint8), b=np.zeros(20, np.float64))
    inputs, targets = next(iter(tensors(file, "a", "b").val))
    assert inputs.dtype == targets.dtype == torch.float32
    assert (inputs == 1).all()


def test_files_that_are_something_else(tmp_path: Path):
    file = tmp_path / "data.npz"
    np.savez(file, x=np.zeros(20))
    with pytest.raises(UsageError, match=r"must hold x and y, .* it holds x$"):
        tensors(file)
    np.savez(file, x=np.array([Path()] * 20, dtype=object), y=np.zeros(20))
    with pytest.raises(UsageError, match="allow_pickle"):
        tensors(file)
    np.savez(file, x=np.zeros(4), y=np.zeros(4))
    with pytest.raises(UsageError, match="at least 10 samples"):
        tensors(file)
    np.savez(file, x=np.array(["a"] * 20), y=np.zeros(20))
    with pytest.raises(UsageError, match="of numbers"):
        tensors(file)
    file.write_bytes(b"damaged")
    with pytest.raises(UsageError, match="of numbers"):
        tensors(file)
