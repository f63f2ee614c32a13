from pathlib import Path

import numpy as np
import pytest
import torch

from hierprune.errors import UsageError
from hierprune.examples.folder import (
    data_folder,
    package_file,
    read_arrays,
    required_folder,
)


def test_the_folder_given_comes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("HIERPRUNE_DATA", raising=False)
    assert data_folder("toy", None) is None
    monkeypatch.setenv("HIERPRUNE_DATA", str(tmp_path / "other"))
    assert data_folder("toy", None) == tmp_path / "other"
    assert data_folder("toy", tmp_path) == tmp_path
    (tmp_path / "toy").mkdir()
    assert data_folder("toy", tmp_path) == tmp_path / "toy"


def test_a_folder_that_is_needed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HIERPRUNE_DATA", raising=False)
    with pytest.raises(UsageError, match=r"'toy'.*holds two files.*--data-dir.*HIERPRUNE_DATA"):
        required_folder("toy", None, "two files")


def test_files_of_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "toy_package").mkdir()
    (tmp_path / "toy_package" / "__init__.py").write_text("raise RuntimeError")
    (tmp_path / "toy_package" / "weights").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert package_file("toy_package", "weights") == tmp_path / "toy_package" / "weights"
    assert package_file("toy_package", "other") is None
    assert package_file("toy_package_2", "weights") is None


def test_arrays_are_read_and_checked(tmp_path: Path):
    file = tmp_path / "a.npz"
    np.savez(file, x=np.zeros((3, 2), np.float16), n=np.ones(3, np.uint8), unused=np.zeros(1))
    arrays = read_arrays(file, {"x": (None, 2), "n": (None,)})
    assert {n: a.dtype for n, a in arrays.items()} == {"x": torch.float32, "n": torch.int64}
    with pytest.raises(UsageError, match=r"x must be \(None, 4\), got \(3, 2\); z .* got none"):
        read_arrays(file, {"x": (None, 4), "z": (1,)})


@pytest.mark.parametrize("contents", [None, b"", b"PK\x03\x04damaged", b"text"])
def test_files_that_are_not_arrays_or_weights(tmp_path: Path, contents: bytes | None):
    file = tmp_path / "a.npz"
    if contents is not None:
        file.write_bytes(contents)
    with pytest.raises(UsageError, match=r"a\.npz must be an \.npz file of numbers"):
        read_arrays(file, {"x": (1,)})


def test_arrays_of_objects_are_not_unpickled(tmp_path: Path):
    file = tmp_path / "a.npz"
    np.savez(file, x=np.array([Path()], dtype=object))
    with pytest.raises(UsageError, match="allow_pickle"):
        read_arrays(file, {"x": (1,)})
