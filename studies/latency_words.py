"""How the latency of a model is known, in a sentence."""

from __future__ import annotations

from .confirmation import Confirmation
from .run_record import RunRecord

KNOWN = {
    "measured": "measured by its trial, maybe beside others, in turns with the dense model",
    "predicted": "predicted from the times of models that were measured once",
}
"""What a trial knows, by the mode of the study."""


def latency_words(record: RunRecord, confirmation: Confirmation, trial: int) -> str:
    """Where, on what and how a trial's latency was measured; ``""`` where it was not."""
    if "latency" not in record.dense.values:
        return ""
    setting = record.latency.setting
    on = (
        f"Runtime {setting.runtime}, {setting.threads} thread{'s' * (setting.threads > 1)}, "
        f"batch {setting.batch}, torch {record.versions.get('torch', 'unknown')}"
    )
    where = f"{on}; the study was begun on {record.machine}." if record.machine else f"{on}."
    found = confirmation.trials.get(trial)
    if found is None:
        return f"Latency: one forward, {KNOWN[record.latency.mode]}. {where}"
    return (
        f"Latency: {found.ratio:.3f} of the dense time (95 %: {found.low:.3f} to "
        f"{found.high:.3f}), confirmed after the search, beside nothing else of hierprune, in "
        f"turns with the dense model. {where}"
    )
