"""hierprune: AutoML search over hierarchical pruning of PyTorch models.

The public names, loaded when first used: ``import hierprune`` imports neither torch nor optuna.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import launch, prune_task, resume
    from .errors import NoModelError, UsageError
    from .limits import Limits
    from .pruners.prune import PrunedModel, prune
    from .pruners.tree_cache import find_tree as inspect
    from .studies.export import export
    from .studies.picked import Picked, load
    from .studies.study import Study
    from .task import Metric, Task, Training, accuracy

__version__ = "0.1.0"

_HOME = {
    "Limits": ("limits", "Limits"),
    "Metric": ("task", "Metric"),
    "NoModelError": ("errors", "NoModelError"),
    "Picked": ("studies.picked", "Picked"),
    "PrunedModel": ("pruners.prune", "PrunedModel"),
    "Study": ("studies.study", "Study"),
    "Task": ("task", "Task"),
    "Training": ("task", "Training"),
    "UsageError": ("errors", "UsageError"),
    "accuracy": ("task", "accuracy"),
    "export": ("studies.export", "export"),
    "inspect": ("pruners.tree_cache", "find_tree"),
    "launch": ("api", "launch"),
    "load": ("studies.picked", "load"),
    "prune": ("pruners.prune", "prune"),
    "prune_task": ("api", "prune_task"),
    "resume": ("api", "resume"),
}

__all__ = [
    "Limits",
    "Metric",
    "NoModelError",
    "Picked",
    "PrunedModel",
    "Study",
    "Task",
    "Training",
    "UsageError",
    "accuracy",
    "export",
    "inspect",
    "launch",
    "load",
    "prune",
    "prune_task",
    "resume",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'hierprune' has no attribute {name!r}")
    module, attribute = _HOME[name]
    return getattr(importlib.import_module(f".{module}", __name__), attribute)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
