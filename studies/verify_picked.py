"""A picked model measured again: does the folder hold what its card promises?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..objectives.base import measure_quality
from ..objectives.packing import stored_bytes
from ..task import Task
from .picked import PLAN, load, read_int8, read_plan, task_for

TOLERANCE = 1e-4
"""Relative; two machines differ in the last bits of a sum."""


@dataclass(frozen=True)
class Verified:
    """What the folder promises and what was measured now, on the test split.

    Attributes:
        folder: of the picked model.
        promised: test scores in ``plan.json``, by name.
        measured: the same, measured now.
        params: parameters of the model that are not zero.
        bytes: of the weights as stored.
        int8: whether it was the quantised model that was measured.
    """

    folder: Path
    promised: Mapping[str, float]
    measured: Mapping[str, float]
    params: int
    bytes: int
    int8: bool = False

    @property
    def ok(self) -> bool:
        """Whether everything promised was met."""
        return all(
            abs(self.measured[k] - v) <= TOLERANCE * max(1.0, abs(v))
            for k, v in self.promised.items()
        )

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {
            "folder": str(self.folder),
            "ok": self.ok,
            "promised": dict(self.promised),
            "measured": dict(self.measured),
            "params": self.params,
            "bytes": self.bytes,
            "int8": self.int8,
        }


def verify_picked(folder: str | Path, task: Task | None = None) -> Verified:
    """Load a picked model and measure it on the test split of its task.

    Raises:
        UsageError: a file is missing, damaged or belongs to another model.
    """
    folder = Path(folder)
    plan, data = read_plan(folder)
    task = task_for(folder, data, task)
    model = load(folder, task)
    file = None if plan.quantization == "none" else read_int8(folder, model, task)
    measured = {n: m.value for n, m in measure_quality(file or model, task, "test").items()}
    promised = json.loads((folder / PLAN).read_text()).get("test", {})
    return Verified(
        folder,
        {k: v for k, v in promised.items() if k in measured and v is not None},
        measured,
        sum(int((p != 0).sum()) for p in model.parameters()),
        stored_bytes(model.state_dict()) if file is None else file.stored_bytes(),
        file is not None,
    )
