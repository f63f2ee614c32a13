"""Where a worker finds files of the launcher's machine."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = "HIERPRUNE_SHIPPED"
"""Environment variable: the folder that came with this worker, where one did."""


def found(path: Path) -> Path:
    """A path itself where it exists, else its copy that was shipped, where that exists."""
    root = os.environ.get(ROOT)
    if root is None or path.exists():
        return path
    copy = place(path, Path(root))
    return copy if copy.exists() else path


def place(path: Path, root: Path) -> Path:
    """Where the copy of an absolute path stands below ``root``."""
    return root / path.absolute().relative_to(path.absolute().anchor)
