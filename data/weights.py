"""Trained weights from files, without running any code in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..errors import UsageError

NESTED = ("state_dict", "model_state_dict", "model")
"""Under which of these a training checkpoint keeps the weights."""


def weights(file: str | Path) -> dict[str, Tensor]:
    """Tensors by name, on the CPU, from safetensors or ``torch.save``; nothing is unpickled.

    A checkpoint that holds the weights under ``state_dict``, ``model_state_dict`` or ``model``
    gives those.

    Raises:
        UsageError: no such file, or it holds anything but tensors.
    """
    file = Path(file)
    try:
        if file.suffix == ".safetensors":
            return dict(load_file(file))
        found = unnested(torch.load(file, map_location="cpu", weights_only=True))
        return {str(name): torch.as_tensor(value) for name, value in found.items()}
    except (SafetensorError, OSError) as error:
        raise UsageError(f"cannot read weights from {file}: {error}") from error
    except Exception as error:  # torch.load raises whatever a damaged file leads to
        first = str(error).partition("\n")[0]
        raise UsageError(f"{file} must hold tensors by name, as torch.save: {first}") from error


def unnested(checkpoint: Any) -> Mapping[str, Any]:
    """The state dict in a checkpoint."""
    for name in NESTED:
        if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get(name), Mapping):
            return dict(checkpoint[name])
    if not isinstance(checkpoint, Mapping):
        raise ValueError(f"it holds a {type(checkpoint).__name__}")
    return checkpoint
