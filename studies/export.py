"""A picked model as one file that runs without hierprune: ONNX, or a program of torch.export.

The file takes any batch size, and any size of the dimensions that differ between validation
batches. It is written to a draft, run on validation inputs beside the model, and put in its place
only when both agree. Zeroed weights are stored like any others.
"""

from __future__ import annotations

import os
import re
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..objectives.modes import measuring
from ..objectives.onnx_file import quiet
from ..objectives.packing import stored_bytes
from ..task import Inputs, Task, forward
from .export_formats import Format, Run, find_format, rows, tensors, trace
from .picked import load, read_plan, task_for

TOLERANCE = 1e-4
"""Of the largest output, or of 1 where that is larger: the runtimes sum in other orders."""

BATCHES = 4
"""How many validation batches show which sizes differ, and are run to compare."""

LINES, WIDTH = 2, 400  # of an exporter's message, which may fill several screens


@dataclass(frozen=True)
class Exported:
    """A file that was written and checked.

    Attributes:
        path: of the file.
        bytes: its size, with the weights that ONNX keeps beside it from 2 GB on.
        dense_bytes: the weights of the dense model as safetensors.
        difference: the largest between its outputs and the model's, on validation inputs.
    """

    path: Path
    bytes: int
    dense_bytes: int
    difference: float


def export(
    folder: str | Path,
    format: str = "onnx",
    out: str | Path | None = None,
    task: Task | None = None,
) -> Path:
    """Write the picked model in ``folder`` as one file that runs without hierprune.

    The outputs of the file are compared with the model's on validation inputs of several batch
    sizes; they must agree within 1e-4 of the largest output.

    Args:
        folder: what :meth:`Picked.save` wrote.
        format: ``"onnx"`` (needs the extra ``hierprune[onnx]``) or ``"torch-export"``.
        out: file to write, an earlier one is replaced; default: ``model.onnx`` or ``model.pt2``
            in ``folder``.
        task: builds the dense model; default: the task that the plan names.

    Returns:
        The path of the file.

    Raises:
        UsageError: the format is unknown or its packages are not installed, ``out`` cannot be
            written, or the folder holds no sound picked model.
        RuntimeError: the model cannot be exported, or the file does not compute what it does;
            no file is left.
    """
    return export_picked(folder, format, out, task).path


def export_picked(
    folder: str | Path, format: str, out: str | Path | None = None, task: Task | None = None
) -> Exported:
    """What :func:`export` does, with all that is to be said of the file."""
    folder = Path(folder)
    kind = find_format(format)
    path = Path(out) if out is not None else folder / f"model{kind.suffix}"
    _, source = read_plan(folder)
    check_file(path, kind)
    task = task_for(folder, source, task)
    model = load(folder, task)
    dense_bytes = stored_bytes(task.build_model().state_dict(), sparse=False)
    batches = validation_inputs(task)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as name:
        draft = Path(name) / path.name
        with failing(f"{format} export of {folder}", kind.advice), quiet(), measuring(model):
            kind.write(trace(model, batches), draft)
            off = compare(model, kind.read(draft), batches)
        # what lies beside the file, it names: that goes first
        files = sorted(draft.parent.iterdir(), reverse=True)
        size = sum(file.stat().st_size for file in files)
        for file in files:
            file.replace(path.parent / file.name)
    return Exported(path, size, dense_bytes, off)


def validation_inputs(task: Task) -> list[Inputs]:
    """The inputs of the first validation batches; mappings of any kind as a dict.

    Raises:
        UsageError: there are none.
    """
    batches = [inputs for inputs, _ in islice(task.batches("val"), BATCHES)]
    if not batches:
        raise UsageError(f"the val split of {task.name!r} is empty: its inputs are needed")
    return [dict(b) if isinstance(b, Mapping) else b for b in batches]


def check_file(path: Path, kind: Format) -> None:
    """Raise :class:`UsageError` unless a file of this kind can be written there."""
    if path.suffix != kind.suffix:
        raise UsageError(f"the file must end in {kind.suffix}, got {path}; choose another --out")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; choose another --out")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(
            f"cannot write {path}: {path.parent} is no folder that can be written to; "
            "choose another --out"
        )


def compare(model: nn.Module, run: Run, batches: Sequence[Inputs]) -> float:
    """The largest difference between what a file and the model give.

    Batches of one and two samples are run, then ``batches``.

    Raises:
        RuntimeError: it is larger than the tolerance, or the outputs have other shapes.
    """
    found = 0.0
    for inputs in [rows(batches[0], 1), rows(batches[0], 2), *batches]:
        outputs, expected = run(inputs), tensors(forward(model, inputs))
        shapes, due = ([tuple(t.shape) for t in ts] for ts in (outputs, expected))
        if shapes != due:
            raise RuntimeError(f"the file gives outputs of shapes {shapes}, the model {due}")
        for output, value in zip(outputs, expected, strict=True):
            off = difference(output, value)
            allowed = TOLERANCE * max(1.0, largest(value))
            if not off <= allowed:
                raise RuntimeError(
                    f"the file and the model differ by {off:.3g} on validation inputs; "
                    f"at most {allowed:.3g} is allowed"
                )
            found = max(found, off)
    return found


def largest(values: Tensor) -> float:
    """The largest absolute finite value; 0 where there is none.

    >>> largest(torch.tensor([1.0, -3.0, float("inf")])), largest(torch.tensor([]))
    (3.0, 0.0)
    >>> largest(torch.tensor([True, False]))
    1.0
    """
    values = values.double()
    finite = values[values.isfinite()]
    return float(finite.abs().max()) if len(finite) else 0.0


def difference(one: Tensor, other: Tensor) -> float:
    """The largest absolute difference; none where both are NaN or the same infinity.

    >>> inf, nan = float("inf"), float("nan")
    >>> difference(torch.tensor([1.0, inf, nan]), torch.tensor([1.5, inf, nan]))
    0.5
    >>> difference(torch.tensor([1.0]), torch.tensor([nan]))
    inf
    """
    one, other = one.double(), other.double()
    same = (one == other) | (one.isnan() & other.isnan())
    apart = (one - other).abs().nan_to_num(nan=torch.inf).masked_fill(same, 0.0)
    return float(apart.max()) if apart.numel() else 0.0


@contextmanager
def failing(what: str, advice: str) -> Iterator[None]:
    """Turn whatever goes wrong into one paragraph: what failed, why, and what to try."""
    try:
        yield
    except Exception as error:
        raise RuntimeError(
            f"{what} failed, nothing was written: {said(error)}. {advice}"
        ) from error


def said(error: BaseException) -> str:
    r"""The error at the bottom of it: the first sentences of its first lines, and the user's line.

    >>> said(ValueError("No such operator! Run with LOGS=1 to see more.\n - aten::fft. See docs"))
    'ValueError: No such operator; aten::fft'
    """
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip(" -")]
    text = "; ".join(re.split(r"[!.] ", line)[0] for line in lines[:LINES])
    return f"{type(error).__name__}: {text[:WIDTH].rstrip('.: ')}{place(error)}"


def place(error: BaseException) -> str:
    """The last line of the user's code that the error went through, if there is one."""
    foreign = (Path(__file__).parent, Path(torch.__file__).parents[1])
    frames = [
        f"{f.filename}:{f.lineno}: {f.line}"
        for f in traceback.extract_tb(error.__traceback__)
        if not f.filename.startswith("<")
        and not any(Path(f.filename).is_relative_to(folder) for folder in foreign)
    ]
    return f" (at {frames[-1]})" if frames else ""
