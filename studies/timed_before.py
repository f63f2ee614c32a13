"""What was timed of an architecture on this machine, kept for later studies in the user's cache.

Only what does not depend on weights is kept: tables of ratios and liked widths. A file is named by
all that it follows from. Delete the folder ``times`` of the cache to have everything timed anew.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from torch import nn

from ..cachedir import default_cache
from ..objectives.runtime import Setting
from ..pruners.tree_cache import architecture_sha256
from ..task import Inputs
from ..whole import write_whole
from .machine import machine

FOLDER = "times"


@dataclass(frozen=True)
class TimedBefore:
    """One kind of result of one architecture, setting and machine.

    Attributes:
        file: where it is kept; None for what is measured elsewhere, where anything may change.
    """

    file: Path | None

    @classmethod
    def of(
        cls, kind: str, setting: Setting, dense: nn.Module, inputs: Inputs, more: object = None
    ) -> TimedBefore:
        """The place of a result.

        Args:
            kind: of the result, a word.
            setting: of the runtime.
            dense: the model; weights do not matter.
            inputs: of one forward.
            more: what else it depends on, as plain data.
        """
        if setting.command:
            return cls(None)
        about = [asdict(setting), architecture_sha256(dense, [inputs]), machine(), runtime(), more]
        digest = hashlib.sha256(json.dumps(about).encode()).hexdigest()
        return cls(default_cache() / FOLDER / f"{kind}-{digest}.json")

    def read(self) -> Any:
        """The result as plain data; None where there is none."""
        with suppress(OSError, ValueError):
            return json.loads(self.file.read_text()) if self.file else None
        return None

    def keep(self, data: object) -> None:
        """Write it; a reader sees the whole file or none, and a full disk costs no result."""
        if self.file is None:
            return
        with suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.file, json.dumps(data))


def runtime() -> str:
    """The version of onnxruntime, which kernels and layouts follow from; torch's is hashed too."""
    with suppress(PackageNotFoundError):
        return version("onnxruntime")
    return ""
