"""How the latency of a model is known, in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .run_record import RunRecord

CONFIRMED = "confirmed.json"


def latency_words(run: Path, record: RunRecord, trial: int) -> str:
    """Where, on what and how a trial's latency was measured; ``""`` where it was not."""
    if "latency" not in record.dense.values:
        return ""
    torch = record.versions.get("torch", "")
    where = f" The study was begun on {record.machine}, torch {torch}." if record.machine else ""
    trials, setting = confirmed(run)
    if trial not in trials:
        known = "measured by its trial, maybe beside others, in turns with the dense model"
        if record.latency.mode == "predicted":
            known = "predicted from models of the same family timed before the trials"
        return f"Latency: one forward, {known}.{where}"
    found = trials[trial]
    return (
        f"Latency: {found['ratio']:.3f} of the dense time (95 %: {found['low']:.3f} to "
        f"{found['high']:.3f}), confirmed alone on the machine, in turns with the dense model; "
        f"runtime {setting.get('runtime', 'eager')}, {setting.get('threads', 1)} threads, "
        f"batch {setting.get('batch', 1)}.{where}"
    )


def confirmed(run: Path) -> tuple[dict[int, dict[str, float]], dict[str, Any]]:
    """What was confirmed, and on what runtime; empty where nothing was, or it cannot be read.

    By trial ``ratio`` to the dense time, and its 95 % interval from ``low`` to ``high``.
    """
    try:
        data = json.loads((run / CONFIRMED).read_text())
        return {int(n): dict(found) for n, found in data["trials"].items()}, dict(data["setting"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}, {}
