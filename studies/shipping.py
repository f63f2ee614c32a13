"""What a worker needs of the user's disk, for machines of a cluster that do not see it.

The launcher lays copies out under their absolute paths in one folder, which Ray brings to every
machine; a worker looks there for what it does not find in its place.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from .prepare import CACHE
from .run_record import FILE
from .shipped import place
from .source import TaskSource

MAX_FILE_BYTES = 10 * 2**20  # of a file beside the task that is no Python file
MAX_FILES = 10_000  # beside the task
MAX_BYTES = 400 * 2**20  # of all; Ray refuses more than 500 MiB


def cargo(run: Path, source: TaskSource | None) -> list[Path]:
    """The files that workers of this run need: its record and caches, the task and what is beside.

    Caches come last: they are left out when there is too much, and made anew by the workers.
    """
    files = [run / FILE]
    path = Path(source.reference.rpartition(":")[0]) if source else Path()
    if path.suffix == ".py":
        files += [path, *islice(beside(path), MAX_FILES)]
    files += sorted(p for p in (run / CACHE).glob("*") if p.is_file())
    return [path.absolute() for path in files]


def beside(task: Path) -> Iterator[Path]:
    """The Python files in a task's folder and below, and other files that are not large."""
    for folder, folders, names in os.walk(task.parent):
        folders[:] = [f for f in folders if f[0] not in "._" and not is_data(Path(folder) / f)]
        for path in (Path(folder) / name for name in sorted(names)):
            if path == task or path.name.startswith(".") or not path.is_file():
                continue
            if path.suffix == ".py" or path.stat().st_size <= MAX_FILE_BYTES:
                yield path


def is_data(folder: Path) -> bool:
    """Whether a folder is a run or an environment, which nobody imports from."""
    return any((folder / name).exists() for name in (FILE, "pyvenv.cfg"))


def lay_out(files: Sequence[Path], root: Path) -> None:
    """Copy files under ``root`` by their absolute paths, as many as may travel."""
    total = 0
    for path in filter(Path.is_file, files):
        total += path.stat().st_size
        if total > MAX_BYTES:
            return
        copy = place(path, root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):  # not ours to read, or gone meanwhile
            shutil.copyfile(path, copy)
