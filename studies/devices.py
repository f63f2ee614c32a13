"""Device profiles: where a model will run, as a small TOML file.

    runtime = "onnxruntime"    # and threads, batch, shape, command, align: as on the command line;
                               # command_timeout in seconds
    latency_ms = 20            # at most, a constraint
    size_kb = 500              # at most, of the weights as stored
    about = "what it assumes"

What the command line says wins over the file.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError, unknown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).with_name("device_profiles")
SETTINGS: Mapping[str, type | tuple[type, ...]] = {
    "runtime": str,
    "threads": int,
    "batch": int,
    "shape": list,
    "command": str,
    "command_timeout": (int, float),
    "align": (int, str),
}
BUDGETS = {"latency_ms": ("latency", 1.0), "size_kb": ("size", 1024.0)}
"""Objective and factor of every budget."""


def ready_made() -> list[str]:
    """Names of the profiles that come along."""
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


def read_device(name: str) -> dict[str, Any]:
    """A profile as option values, its budgets as constraints under ``where``.

    Args:
        name: of a ready-made profile, or of a file.

    Raises:
        UsageError: there is none, or it holds something else.
    """
    file = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not name.endswith(".toml") and not file.is_file():
        raise unknown("device", name, ready_made())
    try:
        data = tomllib.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the device profile {file}: {error}") from error
    problems = [f"{key} = {value!r}" for key, value in data.items() if not is_known(key, value)]
    if problems:
        known = ", ".join([*SETTINGS, *BUDGETS, "about"])
        raise UsageError(f"{file} cannot be used: {'; '.join(problems)}; it may hold {known}")
    settings = {k: v for k, v in data.items() if k in SETTINGS}
    limits = [(*BUDGETS[k], v) for k, v in data.items() if k in BUDGETS]
    return settings | {"where": tuple(f"{n} <= {factor * v!r}" for n, factor, v in limits)}


def is_known(key: str, value: Any) -> bool:
    """Whether a profile may hold this."""
    if key in BUDGETS:
        return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    if key == "shape":
        return isinstance(value, list) and all(type(size) is int for size in value)
    if key in SETTINGS:
        return isinstance(value, SETTINGS[key]) and not isinstance(value, bool)
    return key == "about"
