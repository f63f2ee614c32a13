"""hierprune: AutoML search over hierarchical pruning of PyTorch models.

The public names, loaded when first used: ``import hierprune`` imports neither torch nor optuna.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import NoModelError, UsageError
    from .task import Metric, Task, Training, accuracy

__version__ = "0.1.0"

_HOME = {
    "Metric": "task",
    "NoModelError": "errors",
    "Task": "task",
    "Training": "task",
    "UsageError": "errors",
    "accuracy": "task",
}

__all__ = [
    "Metric",
    "NoModelError",
    "Task",
    "Training",
    "UsageError",
    "accuracy",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'hierprune' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
