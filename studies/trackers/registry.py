"""The trackers by name, and what they need; imported when they are opened."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ...errors import UsageError, unknown

if TYPE_CHECKING:
    from ..run_record import RunRecord
    from .base import Tracker


@dataclass(frozen=True)
class Home:
    """Where a tracker is: module and class here, and the package that it needs."""

    module: str
    name: str
    package: str


TRACKERS = {
    "tensorboard": Home("tensorboard", "TensorBoard", "tensorboard"),
    "mlflow": Home("mlflow", "MLflow", "mlflow"),
    "wandb": Home("wandb", "WeightsAndBiases", "wandb"),
}


def check_trackers(names: Iterable[str]) -> None:
    """See that trackers can be opened.

    Raises:
        UsageError: an unknown name, or a package that is not installed.
    """
    for name in names:
        if name not in TRACKERS:
            raise unknown("tracker", name, TRACKERS)
        if importlib.util.find_spec(TRACKERS[name].package) is None:
            raise UsageError(
                f"the tracker {name!r} needs {TRACKERS[name].package}, not installed here: "
                f'pip install "hierprune[{name}]"'
            )


def tracker_class(name: str) -> Callable[[Path, RunRecord], Tracker]:
    """The class of that tracker, its library imported; call it with a run folder and its record.

    Raises:
        ImportError: the library is missing or broken.
    """
    home = TRACKERS[name]
    kind = getattr(import_module(f".{home.module}", __package__), home.name)
    return cast("Callable[[Path, RunRecord], Tracker]", kind)
