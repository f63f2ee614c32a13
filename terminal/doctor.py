"""What this machine has."""

from __future__ import annotations

import os
import sys

from .tables import Column, show, table

PACKAGES = ("hierprune", "torch", "optuna", "ray", "mlxtend", "onnx", "onnxruntime", "onnxscript")


def show_doctor() -> None:
    """Versions, cores and caches."""
    import torch

    from ..studies.dense import default_cache

    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else 0
    found = {
        "python": sys.version.split()[0],
        **{p: version_of(p) for p in PACKAGES},
        "cores": str(os.cpu_count()),
        "accelerator": str(accelerator or "none"),
        "cache": str(default_cache()),
        "HIERPRUNE_DATA": os.environ.get("HIERPRUNE_DATA", "not set"),
    }
    columns = [Column("what", list(found), False), Column("found", list(found.values()), False)]
    show(table("", columns))


def version_of(package: str) -> str:
    """Its installed version."""
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
