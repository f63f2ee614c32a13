"""What a model takes up: bytes on disk in several forms, and memory of one forward."""

from __future__ import annotations

import lzma
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from ..task import Direction, forward
from . import onnx_file
from .base import Candidate
from .memo import once
from .modes import measuring
from .packing import pack, stored_bytes
from .size import kept_bytes


@dataclass(frozen=True)
class NonZeros:
    """Share of the dense model's parameters that is not zero, biases among them."""

    name: ClassVar[str] = "nonzeros"
    unit: ClassVar[str] = ""
    direction: ClassVar[Direction] = "minimize"

    def __call__(self, candidate: Candidate) -> float:
        """Non-zeros of the model / non-zeros of dense."""
        counts = [
            sum(int(p.count_nonzero()) for p in m.parameters())
            for m in (candidate.model, candidate.dense)
        ]
        return counts[0] / counts[1]


@dataclass(frozen=True)
class Size:
    """Bytes of the weights as stored: sparse tensors with their indices, headers included."""

    name: ClassVar[str] = "size"
    unit: ClassVar[str] = "bytes"
    direction: ClassVar[Direction] = "minimize"

    def __call__(self, candidate: Candidate) -> float:
        """Bytes of the file."""
        return float(kept_bytes(candidate))


@dataclass(frozen=True)
class EntropyCoded:
    """How many times smaller the stored weights are once they are entropy-coded too (LZMA).

    Dense is its plain file: what entropy coding alone saves on it counts as well.
    """

    name: ClassVar[str] = "entropy_coded"
    unit: ClassVar[str] = "x"
    direction: ClassVar[Direction] = "maximize"

    def __call__(self, candidate: Candidate) -> float:
        """Bytes of the dense file / bytes of the model's file through LZMA."""
        dense = candidate.dense
        whole = once(dense, "compression", lambda: stored_bytes(dense.state_dict(), sparse=False))
        file = candidate.file
        kept = pack(candidate.model.state_dict() if file is None else file.weights())
        return whole / len(lzma.compress(kept.to_bytes()))


@dataclass(frozen=True)
class OnnxSize:
    """Bytes of the model as an ONNX file."""

    name: ClassVar[str] = "onnx_size"
    unit: ClassVar[str] = "bytes"
    direction: ClassVar[Direction] = "minimize"

    def __call__(self, candidate: Candidate) -> float:
        """Bytes of the file for one sample, or of the quantised one."""
        if candidate.file is not None:
            return float(len(candidate.file.content))
        return float(len(onnx_file.exported(candidate.model, candidate.task.example())))


@dataclass(frozen=True)
class ActivationMemory:
    """Largest number of bytes that activations of one forward hold at once, weights apart.

    Measured on the task's example inputs: the storages that operations made and that are alive.
    """

    name: ClassVar[str] = "activations"
    unit: ClassVar[str] = "bytes"
    direction: ClassVar[Direction] = "minimize"

    def __call__(self, candidate: Candidate) -> float:
        """The peak of one forward."""
        inputs = candidate.task.example()
        with measuring(candidate.model), _Alive() as alive:
            forward(candidate.model, inputs)
        return float(alive.peak)


class _Alive(TorchDispatchMode):  # type: ignore[no-untyped-call, unused-ignore]
    """Adds up the storages of all results that are still alive after every operation."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.peak = 0
        self.made: WeakTensorKeyDictionary = WeakTensorKeyDictionary()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch imports its compiler at first use, which takes seconds

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run the operation and look what is alive."""
        known = {place(t) for t in list(self.made)}
        given = {place(t) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)} - known
        out = func(*args, **(kwargs or {}))
        for t in tree_leaves(out):
            if isinstance(t, Tensor) and place(t) not in given:
                self.made[t] = t.untyped_storage().nbytes()
        alive = {place(t): size for t, size in list(self.made.items())}
        self.peak = max(self.peak, sum(alive.values()))
        return out


def place(tensor: Tensor) -> int:
    """Where its storage is."""
    return tensor.untyped_storage().data_ptr()
