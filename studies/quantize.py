"""A model in int8, as ONNX for onnxruntime, and what that does to its scores.

Quantised outputs differ from the model's, so there is no tolerance to keep: the file is scored on
the whole validation split, and that is what is said of it.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from ..errors import UsageError, unknown
from ..objectives.base import Measurement, measure_quality
from ..objectives.modes import measuring
from ..objectives.onnx_file import feed, open_session, quiet, tensors_of
from ..objectives.onnx_model import OnnxModel
from ..pruners.calibration import Calibration
from ..pruners.plan import QUANTIZATIONS
from ..task import Inputs, Task
from ..whole import write_whole
from .card import INT8
from .export import check_file, export_picked, failing, validation_inputs
from .export_formats import FORMATS, find_format, trace, write_onnx
from .picked import load, read_plan, task_for

KINDS = QUANTIZATIONS[1:]
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
    path = Path(out) if out is not None else folder / INT8
    plan, source = read_plan(folder)
    check_file(path, find_format("onnx"))
    if plan.quantization != "none" and path.resolve() == (folder / INT8).resolve():
        raise UsageError(
            f"{path} is what was picked, in int8 already ({plan.quantization}); "
            "choose another --out"
        )
    task = task_for(folder, source, task)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as name:
        whole, draft = Path(name) / "whole.onnx", Path(name) / path.name
        exported = export_picked(folder, "onnx", whole, task)
        model = load(folder, task)
        with failing(f"int8 export of {folder}", ADVICE), quiet():
            quantize(kind, whole, draft, calibration_inputs(Calibration.of(task)))
            file = OnnxModel(draft.read_bytes(), model, validation_inputs(task)[0])
            found = measure_quality(file, task, "val")
        size = draft.stat().st_size
        write_whole(path, file.content)
    return Quantized(path, size, exported.bytes, found, measure_quality(model, task, "val"))


def quantized(model: nn.Module, kind: str, calibration: Calibration, task: Task) -> OnnxModel:
    """A model in int8; the same model and calibration give the same file.

    Args:
        model: left as it is.
        kind: see :func:`export_int8`.
        calibration: whose inputs show the ranges of ``"static"``.
        task: its validation inputs show which sizes differ.

    Raises:
        UsageError: a package is missing.
        Exception: of many kinds, where it cannot be exported or quantised.
    """
    check_packages([kind])
    batches = validation_inputs(task)
    with tempfile.TemporaryDirectory() as name, quiet():
        whole, draft = Path(name) / "whole.onnx", Path(name) / "int8.onnx"
        with measuring(model):
            write_onnx(trace(model, batches), whole)
        quantize(kind, whole, draft, calibration_inputs(calibration))
        return OnnxModel(draft.read_bytes(), model, batches[0])


def check_packages(kinds: Sequence[str]) -> None:
    """Raise :class:`UsageError` where files of these kinds, ``"none"`` left out, need a package."""
    missing = [p for p in FORMATS["onnx"].packages if importlib.util.find_spec(p) is None]
    if missing and set(kinds) & set(KINDS):
        raise UsageError(
            f"int8 files ({', '.join(kinds)}) need {', '.join(missing)}, not installed here: "
            f'pip install "hierprune[onnx]"'
        )


def calibration_inputs(calibration: Calibration) -> list[Inputs]:
    """The inputs of its batches."""
    return [inputs for inputs, _ in calibration.batches]


def quantize(kind: str, whole: Path, draft: Path, batches: Sequence[Inputs]) -> None:
    """Write the quantised form of an ONNX file."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

    weights = {"weight_type": QuantType.QInt8, "per_channel": True}
    if kind == "dynamic":
        quantize_dynamic(whole, draft, op_types_to_quantize=list(DYNAMIC), **weights)
    else:
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

    def __init__(self, file: Path, batches: Sequence[Inputs]) -> None:
        self._session = open_session(file.read_bytes(), 1)
        self._batches = iter(batches)

    def get_next(self) -> dict[str, Any] | None:
        """The next batch; None after the last."""
        inputs = next(self._batches, None)
        return None if inputs is None else feed(self._session, tensors_of(inputs))
