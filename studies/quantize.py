"""A picked model in int8, as ONNX for onnxruntime, and what that does to its scores.

Quantised outputs differ from the model's, so there is no tolerance to keep: the file is scored on
the whole validation split, and that is what is said of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from ..errors import UsageError, unknown
from ..objectives.base import Measurement, measure_quality
from ..objectives.modes import measuring
from ..objectives.onnx_file import quiet
from ..task import Inputs, Task, forward
from .export import check_file, export_picked, failing
from .export_formats import Run, find_format, read_onnx, tensors
from .picked import load, read_plan, task_for

KINDS = ("dynamic", "static")
FILE = "model.int8.onnx"
CALIBRATION = 16  # batches of the train split whose ranges are taken
DYNAMIC = ("MatMul", "Gemm", "Attention", "LSTM")
"""What is quantised with ranges found as it runs; onnxruntime has no such int8 convolution."""

ADVICE = "The model exports to ONNX as it is: hierprune export DIR --format onnx."


@dataclass(frozen=True)
class Quantized:
    """A file that was written and scored.

    Attributes:
        path: of the file.
        bytes: its size.
        float_bytes: the size of the same model as ONNX in single precision.
        quality: loss and metrics on the validation split.
        float_quality: those of the model as it was picked.
    """

    path: Path
    bytes: int
    float_bytes: int
    quality: Mapping[str, Measurement]
    float_quality: Mapping[str, Measurement]


def export_int8(
    folder: str | Path, kind: str, out: str | Path | None = None, task: Task | None = None
) -> Quantized:
    """Write the picked model in ``folder`` in int8, as ONNX.

    Args:
        folder: what :meth:`Picked.save` wrote.
        kind: ``"dynamic"``: matrix products and LSTMs, activations by the range they have when it
            runs; ``"static"``: convolutions too, by the ranges seen on training batches.
        out: file to write; default ``model.int8.onnx`` in ``folder``.
        task: builds the dense model; default: the task that the plan names.

    Raises:
        UsageError: an unknown kind, missing packages, or as :func:`~hierprune.export`.
        RuntimeError: the model cannot be exported or quantised; no file is left.
    """
    if kind not in KINDS:
        raise unknown("kind of int8", kind, KINDS)
    folder = Path(folder)
    path = Path(out) if out is not None else folder / FILE
    _, source = read_plan(folder)
    check_file(path, find_format("onnx"))
    task = task_for(folder, source, task)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as name:
        whole, draft = Path(name) / "whole.onnx", Path(name) / path.name
        exported = export_picked(folder, "onnx", whole, task)
        model = load(folder, task)
        with failing(f"int8 export of {folder}", ADVICE), quiet():
            quantize(kind, whole, draft, task)
            found = measure_quality(runner(read_onnx(draft), model, task), task, "val")
        size = draft.stat().st_size
        draft.replace(path)
    return Quantized(path, size, exported.bytes, found, measure_quality(model, task, "val"))


def quantize(kind: str, whole: Path, draft: Path, task: Task) -> None:
    """Write the quantised form of an ONNX file."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

    weights = {"weight_type": QuantType.QInt8, "per_channel": True}
    if kind == "dynamic":
        quantize_dynamic(whole, draft, op_types_to_quantize=list(DYNAMIC), **weights)
    else:
        batches = [inputs for inputs, _ in islice(task.batches("train"), CALIBRATION)]
        quantize_static(
            whole,
            draft,
            Feed(whole, batches),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8,
            **weights,
        )


class Feed:
    """Inputs by name, one batch at a time, as onnxruntime's calibration asks for them."""

    def __init__(self, file: Path, batches: list[Inputs]) -> None:
        import onnxruntime

        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        self._names = [i.name for i in session.get_inputs()]
        self._batches = iter(batches)

    def get_next(self) -> dict[str, Any] | None:
        """The next batch; None after the last."""
        inputs = next(self._batches, None)
        if inputs is None:
            return None
        arrays = (t.numpy(force=True) for t in tensors(as_plain(inputs)))
        return dict(zip(self._names, arrays, strict=True))


def as_plain(inputs: Inputs) -> Inputs:
    """Mappings of any kind as a dict, whose tensors are found."""
    return dict(inputs) if isinstance(inputs, Mapping) else inputs


class Runner(nn.Module):
    """A file at work in the place of a model: the same inputs, outputs nested the same way."""

    def __init__(self, run: Run, leaves: list[Any], spec: TreeSpec) -> None:
        super().__init__()
        self._run, self._leaves, self._spec = run, leaves, spec

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """See :class:`Runner`."""
        outputs = iter(self._run(kwargs or args))
        found = [next(outputs) if isinstance(v, Tensor) else v for v in self._leaves]
        return tree_unflatten(found, self._spec)


def runner(run: Run, model: nn.Module, task: Task) -> Runner:
    """The file at work, its outputs nested as the model nests them.

    Raises:
        UsageError: the validation split is empty.
    """
    first = next(iter(task.batches("val")), None)
    if first is None:
        raise UsageError(f"the val split of {task.name!r} is empty: its inputs are needed")
    with measuring(model):
        leaves, spec = tree_flatten(forward(model, first[0]))
    return Runner(run, leaves, spec)
