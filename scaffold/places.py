"""Things in the user's own files: ``net.py:Net``, ``package.module:function``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError, unknown
from ..studies.user_code import import_file, import_package


@dataclass(frozen=True)
class Place:
    """A name in a module that can be imported from the folder of the task file.

    Attributes:
        module: dotted, as in an import statement.
        name: in it.
        found: what it is.
    """

    module: str
    name: str
    found: Any

    @property
    def line(self) -> str:
        """The import statement."""
        return f"from {self.module} import {self.name}"


def find(text: str, folder: Path, what: str) -> Place:
    """What ``FILE.py:NAME`` or ``PACKAGE.MODULE:NAME`` names.

    Args:
        text: as the user gave it, files seen from the working directory.
        folder: of the task file; a file must be in it or below.
        what: to call it in errors.

    Raises:
        UsageError: it cannot be found, or not be imported from there.
    """
    place, colon, name = text.rpartition(":")
    if not colon or not name.isidentifier():
        raise UsageError(f"{what} is FILE.py:NAME or PACKAGE.MODULE:NAME, got {text!r}")
    if place.endswith(".py"):
        module = dotted(Path(place), folder, what)
        loaded = import_file(Path(place))
    else:
        module = place
        sys.path.insert(0, str(folder.resolve()))
        loaded = import_package(place)
    if not hasattr(loaded, name):
        public = [n for n in vars(loaded) if not n.startswith("_")]
        raise unknown(f"name in {place}:", name, public)
    return Place(module, name, getattr(loaded, name))


def dotted(file: Path, folder: Path, what: str) -> str:
    """The name of a file as a module, seen from a folder.

    Raises:
        UsageError: it cannot be imported from there.
    """
    file, folder = file.resolve(), folder.resolve()
    if not file.is_relative_to(folder):
        raise UsageError(
            f"{what} {file} is not beside the task file or below it; choose another --out than "
            f"in {folder}, or give {what} as PACKAGE.MODULE:NAME"
        )
    parts = file.relative_to(folder).with_suffix("").parts
    if strange := [p for p in parts if not p.isidentifier()]:
        raise UsageError(f"{what} {file} cannot be imported: {strange[0]!r} is no Python name")
    return ".".join(parts)
