"""How the data of a task file is read: by a reader of ours, or by the user's own function."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from .places import find

TENSORS = (".npz", ".pt", ".pth", ".safetensors")


@dataclass(frozen=True)
class Source:
    """The lines of the task file that read the data.

    Attributes:
        call: assigns what is read.
        note: about it, for the user.
        imports: import statements of the user's modules.
        readers: names to import from :mod:`hierprune.data`.
        train: the split in what was assigned.
        val: likewise.
        test: likewise.
        here: whether ``HERE``, the folder of the task file, is used.
    """

    call: str
    note: str
    imports: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    train: str = "splits.train"
    val: str = "splits.val"
    test: str = "splits.test"
    here: bool = True


@dataclass(frozen=True)
class Columns:
    """What the user says of the data, beyond where it is.

    Attributes:
        inputs: names of tensors or columns, None for the reader's default.
        target: likewise.
        size: of images, in pixels.
        batch: samples per batch.
    """

    inputs: tuple[str, ...] | None
    target: str | None
    size: int | None
    batch: int


def source(data: str, folder: Path, columns: Columns) -> Source:
    """How to read the data.

    Args:
        data: a folder of images, a CSV file, a file of tensors, or a function of the user's that
            gives ``(train, val, test)``.
        folder: of the task file.
        columns: see there.

    Raises:
        UsageError: there is no such thing, or more must be said about it.
    """
    path = Path(data)
    if path.is_dir():
        return image_source(relative(path, folder), columns)
    if path.suffix == ".csv" or path.suffix in TENSORS:
        if not path.is_file():
            raise UsageError(f"there is no file {path}")
        read = csv_source if path.suffix == ".csv" else tensor_source
        return read(relative(path, folder), columns)
    if ":" not in data:
        raise UsageError(
            f"--data {data} is no folder of images, no .csv file, no {', '.join(TENSORS)} file "
            "and no FILE.py:FUNCTION that gives (train, val, test)"
        )
    place = find(data, folder, "--data")
    if not callable(place.found):
        raise UsageError(f"--data {data} must be a function that gives (train, val, test)")
    note = "three lists or loaders of (inputs, targets); the same ones in every process"
    call = f"train, val, test = {place.name}()"
    return Source(call, note, (place.line,), (), "train", "val", "test", here=False)


def relative(path: Path, folder: Path) -> str:
    """An expression for a path, seen from the task file."""
    return f'HERE / "{Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()}"'


def image_source(where: str, columns: Columns) -> Source:
    """A folder of images."""
    if columns.size is None:
        raise UsageError("images need --size PIXELS, the height and width that the model takes")
    call = (
        f"splits = images(\n        {where},\n        size={columns.size},\n"
        f"        mean=(0.485, 0.456, 0.406),\n        std=(0.229, 0.224, 0.225),\n"
        f"        batch={columns.batch},\n    )"
    )
    note = "mean and std: as the model was trained; these are ImageNet's"
    return Source(call, note, readers=("images",))


def csv_source(where: str, columns: Columns) -> Source:
    """Rows of a CSV file."""
    if columns.target is None:
        raise UsageError("a CSV file needs --target COLUMN, the one to predict")
    chosen = f", columns={json.dumps(columns.inputs)}" if columns.inputs else ""
    call = f"splits = table({where}, {json.dumps(columns.target)}{chosen}, batch={columns.batch})"
    note = "every other column is an input, as a number; scale them as the model was trained"
    return Source(call, note, readers=("table",))


def tensor_source(where: str, columns: Columns) -> Source:
    """Named tensors in a file."""
    inputs, *more = columns.inputs or ("x",)
    if more:
        raise UsageError(
            "--inputs of a file of tensors is one name; several need a --data function"
        )
    call = (
        f"splits = tensors({where}, {inputs!r}, {columns.target or 'y'!r}, batch={columns.batch})"
    )
    note = "split 70 : 15 : 15, unless the file names its parts, as x_train and x_test"
    return Source(call, note, readers=("tensors",))
