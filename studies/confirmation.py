"""What was confirmed of a study's latencies: ``RUN/confirmed.json``, read, written, applied."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ..objectives.latency import Latency
from ..objectives.runtime import Setting
from ..search.history import Record
from ..whole import write_whole

FILE = "confirmed.json"

Verdict = Literal["faster", "slower", "undecided"]
"""Of a model against dense, by its interval: all below, all above, or neither."""


@dataclass(frozen=True)
class Confirmed:
    """What was measured of one trial: time / dense time, with its 95 % interval."""

    ratio: float
    low: float
    high: float
    blocks: int


@dataclass(frozen=True)
class Confirmation:
    """What was measured of a study's models.

    Attributes:
        setting: of the runtime.
        trials: by number.
        created: when the last was measured, ISO 8601, UTC.
    """

    setting: Setting
    trials: Mapping[int, Confirmed] = field(default_factory=dict)
    created: str = ""

    def save(self, run: Path) -> None:
        """Write ``confirmed.json``; readers see the old file or the whole new one."""
        data = {
            "setting": vars(self.setting),
            "created": self.created,
            "trials": {str(n): vars(c) for n, c in sorted(self.trials.items())},
        }
        write_whole(run / FILE, json.dumps(data, indent=1) + "\n")

    @classmethod
    def load(cls, run: Path, setting: Setting) -> Confirmation:
        """What the run knows of this setting; nothing where the file is missing or damaged."""
        try:
            data = json.loads((run / FILE).read_text())
            same = Setting.from_json(data["setting"]) == setting
            trials = {int(n): Confirmed(**c) for n, c in data["trials"].items()}
            return cls(setting, trials if same else {}, data["created"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls(setting)

    def applied(self, record: Record, dense_ms: float) -> Record:
        """The record with the latency that was confirmed, if it was."""
        found = self.trials.get(record.number)
        if found is None or Latency.name not in record.values:
            return record
        interval = (found.low * dense_ms, found.high * dense_ms)
        return replace(
            record,
            values={**record.values, Latency.name: found.ratio * dense_ms},
            interval={**record.interval, Latency.name: interval},
        )


def verdict(record: Record, dense_ms: float) -> Verdict:
    """Whether the record's interval shows its model faster or slower than dense."""
    low, high = record.interval.get(Latency.name, (-float("inf"), float("inf")))
    return "faster" if high < dense_ms else "slower" if low > dense_ms else "undecided"
