"""Where the user keeps the data of the ready-made tasks, and what pip packages bring along."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from ..errors import UsageError


def data_folder(name: str, data_dir: str | Path | None) -> Path | None:
    """The user's folder of one data set: ``data_dir``, else $HIERPRUNE_DATA, else None.

    A folder for several data sets holds each in a folder of its ``name``.
    """
    given = data_dir or os.environ.get("HIERPRUNE_DATA")
    if not given:
        return None
    folder = Path(given)
    return folder / name if (folder / name).is_dir() else folder


def required_folder(name: str, data_dir: str | Path | None, contents: str) -> Path:
    """Like :func:`data_folder`, where there is no other source.

    Raises:
        UsageError: none is given; ``contents`` says what it must hold.
    """
    folder = data_folder(name, data_dir)
    if folder is None:
        raise UsageError(
            f"the data {name!r} must be in a folder that holds {contents}; give it by --data-dir "
            f"or HIERPRUNE_DATA, itself or as {name}/ in a folder for several data sets"
        )
    return folder


def package_file(package: str, inside: str) -> Path | None:
    """A file that an installed package brings along; None where it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).parent / inside
    return file if file.is_file() else None


def read_arrays(file: Path, shapes: Mapping[str, tuple[int | None, ...]]) -> dict[str, Tensor]:
    """Arrays of an ``.npz`` file as tensors, integers as int64 and floats as float32.

    Args:
        file: written by ``numpy.savez``.
        shapes: of every array that is wanted; None for any length.

    Raises:
        UsageError: no such file, not such a file, or an array that is missing or of another shape.
    """
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in shapes if name in arrays}
    except (OSError, EOFError, ValueError, BadZipFile) as error:
        raise UsageError(f"{file} must be an .npz file of numbers: {error}") from error
    tensors = {
        name: torch.from_numpy(value.astype(np.float32 if value.dtype.kind == "f" else np.int64))
        for name, value in found.items()
    }
    check_shapes(file, tensors, shapes)
    return tensors


def check_shapes(
    file: Path, tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int | None, ...]]
) -> None:
    """See that tensors have their shapes.

    Raises:
        UsageError: all that do not, named.
    """
    problems = [
        f"{name} must be {shape}, got {tuple(tensors[name].shape) if name in tensors else 'none'}"
        for name, shape in shapes.items()
        if name not in tensors or not fits(tuple(tensors[name].shape), shape)
    ]
    if problems:
        raise UsageError(f"{file} is not the expected file: {'; '.join(problems)}")


def fits(found: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    """Whether a shape is as wanted; None stands for any length.

    >>> fits((3, 4), (None, 4)), fits((3, 5), (None, 4))
    (True, False)
    """
    return len(found) == len(wanted) and all(
        w is None or f == w for f, w in zip(found, wanted, strict=True)
    )
