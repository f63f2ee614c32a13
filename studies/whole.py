"""Files that readers see as they were or as they are, never in between."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a file aside and move it in; of several processes at it, the last one's stays.

    Raises:
        OSError: the folder cannot be written, or the disk is full; the file is as it was.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        draft.write_text(text)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
