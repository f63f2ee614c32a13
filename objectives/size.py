"""How much of the dense model is left: parameters, multiply-accumulates, stored bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from ..task import Direction
from .base import Candidate
from .macs import count_macs
from .memo import once
from .packing import stored_bytes


@dataclass(frozen=True)
class Params:
    """Share of the dense model's parameters that is kept, as :func:`count_params` counts."""

    name: ClassVar[str] = "params"
    unit: ClassVar[str] = ""
    direction: ClassVar[Direction] = "minimize"

    def __call__(self, candidate: Candidate) -> float:
        """Parameters of the model / parameters of dense."""
        dense = once(candidate.dense, self.name, lambda: count_params(candidate.dense))
        return count_params(candidate.model) / dense


@dataclass(frozen=True)
class Macs:
    """Share of the dense model's multiply-accumulates that is kept, as :func:`.count_macs` counts.

    Measured on the task's example inputs.
    """

    name: ClassVar[str] = "macs"
    unit: ClassVar[str] = ""
    direction: ClassVar[Direction] = "minimize"

    def __call__(self, candidate: Candidate) -> float:
        """Multiply-accumulates of the model / those of dense."""
        inputs = candidate.task.example()
        dense = once(candidate.dense, self.name, lambda: count_macs(candidate.dense, inputs))
        return count_macs(candidate.model, inputs) / dense


@dataclass(frozen=True)
class Compression:
    """How many times smaller the stored model is: the sizes of two files, headers included.

    The model is stored as :mod:`.packing` writes it, values and indices; dense is the same file
    with every tensor whole. Of a quantised file all that it holds counts, without its graph.
    """

    name: ClassVar[str] = "compression"
    unit: ClassVar[str] = "x"
    direction: ClassVar[Direction] = "maximize"

    def __call__(self, candidate: Candidate) -> float:
        """Bytes of dense / bytes of the model as stored."""
        dense = candidate.dense
        whole = once(dense, self.name, lambda: stored_bytes(dense.state_dict(), sparse=False))
        return whole / kept_bytes(candidate)


def kept_bytes(candidate: Candidate) -> int:
    """Bytes of what is stored of a candidate."""
    if candidate.file is not None:
        return candidate.file.stored_bytes()
    return stored_bytes(candidate.model.state_dict())


def count_params(model: nn.Module) -> int:
    """Parameters that carry something: non-zeros of matrices and kernels, all of vectors.

    A bias may be 0 by right, a masked weight may not. Tied parameters count once, buffers never.
    """
    return sum(int(p.count_nonzero()) if p.dim() >= 2 else p.numel() for p in model.parameters())
