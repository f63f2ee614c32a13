"""Tensors from ``.npz``, ``.pt`` and ``.safetensors`` files; nothing is unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from ..errors import UsageError
from .rows import Rows, Splits, split, with_drawn_val
from .weights import weights

BYTE = 255.0
PARTS = ("train", "val", "test")


def tensors(
    file: str | Path, inputs: str = "x", targets: str = "y", batch: int = 64, seed: int = 0
) -> Splits:
    """Inputs and targets from one file of named tensors.

    The file holds ``x`` and ``y``, which are split 70 : 15 : 15 in random order, or ``x_train``,
    ``y_train``, ``x_test``, ``y_test`` (also as ``train_x`` and so on) and perhaps ``x_val``,
    ``y_val``; without these 15 % of the training rows are held out. Bytes become floats in
    [0, 1], other floats float32, integers int64.

    Args:
        file: ``.npz``, ``.pt`` or ``.safetensors``.
        inputs: the name of the inputs in the file.
        targets: the name of the targets.
        batch: rows per batch.
        seed: of the order in which rows are drawn.

    Raises:
        UsageError: no such file, another kind of file, or names that it does not hold.
    """
    file = Path(file)
    found = read(file)
    pairs = {
        part: Rows((as_input(x),), as_target(y), batch)
        for part in ("", *PARTS)
        if (x := named(found, inputs, part)) is not None
        and (y := named(found, targets, part)) is not None
    }
    if "" in pairs:
        return split(file.stem, pairs[""], seed)
    if "train" in pairs and "test" in pairs:
        train, test = pairs["train"], pairs["test"]
        if "val" in pairs:
            return Splits(file.stem, replace(train, shuffle=True), pairs["val"], test)
        return with_drawn_val(file.stem, train, test, seed=seed)
    raise UsageError(
        f"{file} must hold {inputs} and {targets}, or {inputs}_train, {targets}_train, "
        f"{inputs}_test and {targets}_test; it holds {', '.join(sorted(found)) or 'nothing'}"
    )


def read(file: Path) -> Mapping[str, Tensor]:
    """Every tensor of a file by name.

    Raises:
        UsageError: no such file, or another kind of file.
    """
    if file.suffix in (".pt", ".pth", ".safetensors"):
        return weights(file)
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays}
    except (OSError, EOFError, ValueError, TypeError, AttributeError, BadZipFile) as error:
        raise UsageError(f"{file} must be an .npz file of numbers: {error}") from error


def named(found: Mapping[str, Tensor], name: str, part: str) -> Tensor | None:
    """A tensor by its name and the part of the data that it belongs to; None where it is not."""
    names = (name,) if not part else (f"{name}_{part}", f"{part}_{name}")
    return next((found[n] for n in names if n in found), None)


def as_input(values: Tensor) -> Tensor:
    """Bytes as floats in [0, 1], floats as float32, integers as int64."""
    return values.float() / BYTE if values.dtype == torch.uint8 else as_target(values)


def as_target(values: Tensor) -> Tensor:
    """Floats as float32, integers and bools as int64."""
    return values.float() if values.is_floating_point() else values.long()
