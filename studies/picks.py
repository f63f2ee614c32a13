"""Which trials of a run were picked, and where they went: ``RUN/picked.json``.

Only reports read it: a run that cannot be written to can be picked from all the same.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from ..whole import write_whole

FILE = "picked.json"


def note_pick(run: Path, trial: int, folder: Path) -> None:
    """Remember that a trial was written to a folder, if the run can be written to."""
    known = picks(run) | {trial: str(folder)}
    data = {str(n): place for n, place in known.items()}
    with suppress(OSError):
        write_whole(run / FILE, json.dumps(data, indent=1) + "\n")


def picks(run: Path) -> dict[int, str]:
    """The folder that each picked trial was last written to; empty where nothing is known."""
    try:
        data = json.loads((run / FILE).read_text())
        return {int(n): str(place) for n, place in data.items()}
    except (OSError, ValueError, AttributeError):
        return {}
