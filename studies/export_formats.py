"""What a picked model can be exported as: how each kind of file is written, read and run."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, ShapesCollection
from torch.utils._pytree import tree_leaves, tree_map

from ..errors import UsageError, unknown
from ..task import Inputs, forward

Run = Callable[[Inputs], Sequence[Tensor]]
"""A written file at work: the tensors among its outputs, flattened."""


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes:
        suffix: of its name.
        packages: needed to write and to check it, beyond hierprune's own.
        write: writes a program to a path.
        read: gives the file at a path as something that runs.
        advice: what to try when it fails.
    """

    suffix: str
    packages: Sequence[str]
    write: Callable[[ExportedProgram, Path], None]
    read: Callable[[Path], Run]
    advice: str


def find_format(name: str) -> Format:
    """The format of that name.

    Raises:
        UsageError: there is none, or a package that it needs is not installed.
    """
    if name not in FORMATS:
        raise unknown("format", name, FORMATS)
    kind = FORMATS[name]
    if missing := [p for p in kind.packages if importlib.util.find_spec(p) is None]:
        raise UsageError(
            f"the format {name!r} needs {', '.join(missing)}, not installed here: "
            f'pip install "hierprune[onnx]"'
        )
    return kind


def trace(model: nn.Module, batches: Sequence[Inputs]) -> ExportedProgram:
    """The model as a program, without what was traced: no inputs, no lines of its source.

    First the model's own code is run; what that way cannot follow (``len(x)``), dynamo may.

    Raises:
        Exception: of many kinds, from torch.export; that of the first way.
    """
    widest = max(batches, key=lambda b: sum(t.numel() for t in tensors(b)))
    inputs = rows(widest, 3)  # a size of 1 would be taken for a constant
    args, kwargs = as_call(inputs)
    sizes = dynamic_sizes(inputs, batches).dynamic_shapes(model, args, kwargs)
    errors = []
    for strict in (False, True):
        try:
            program = torch.export.export(model, args, kwargs, dynamic_shapes=sizes, strict=strict)
        except Exception as error:
            errors.append(error)
        else:
            return stripped(program)
    raise errors[0]


def stripped(program: ExportedProgram) -> ExportedProgram:
    """The program without the inputs that were traced and the lines of source it came from."""
    program.example_inputs = None
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def dynamic_sizes(inputs: Inputs, batches: Sequence[Inputs]) -> ShapesCollection:
    """Which dimensions of the inputs are dynamic: the first, and those that differ in batches."""
    sizes = ShapesCollection()
    for tensor, *seen in zip(tensors(inputs), *map(tensors, batches), strict=True):
        if tensor.dim() > 0:
            differ = [i for i in range(1, tensor.dim()) if len({t.shape[i] for t in seen}) > 1]
            sizes[tensor] = {i: Dim.DYNAMIC for i in [0, *differ]}
    return sizes


def rows(inputs: Inputs, count: int) -> Inputs:
    """That many samples of a batch, from the first; repeated where it has fewer."""

    def repeated(value: Any) -> Any:
        if not isinstance(value, Tensor) or value.dim() == 0:
            return value
        return value[torch.arange(count) % len(value)]

    found: Inputs = tree_map(repeated, inputs)
    return found


def tensors(values: Any) -> list[Tensor]:
    """The tensors of a nested value, in order."""
    return [v for v in tree_leaves(values) if isinstance(v, Tensor)]


def as_call(inputs: Inputs) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and named arguments of the model's call; see :func:`..task.forward`."""
    if isinstance(inputs, Mapping):
        return (), {**inputs}
    return (tuple(inputs) if isinstance(inputs, list | tuple) else (inputs,)), {}


def write_program(program: ExportedProgram, path: Path) -> None:
    """As ``torch.export.load`` reads it."""
    torch.export.save(program, path)


def read_program(path: Path) -> Run:
    """Runs in torch."""
    module = torch.export.load(path).module()
    return lambda inputs: tensors(forward(module, inputs))


def write_onnx(program: ExportedProgram, path: Path) -> None:
    """Of the opset that suits this version of torch best; inputs are named as in ``forward``.

    Their first dimension is called ``batch``, others of any size by input and place: ``ids_dim1``.
    """
    found = torch.onnx.export(program, dynamo=True, verbose=False)
    assert found is not None
    graph = found.model.graph
    name_sizes(graph.inputs, [*graph.inputs, *(v for node in graph for v in node.outputs)])
    found.save(path)


def name_sizes(inputs: Sequence[Any], values: Sequence[Any]) -> None:
    """Give sizes that torch calls ``s77`` or the like a name in the shapes of a graph's values."""
    names: dict[str, str] = {}
    for value in inputs:
        for place, size in enumerate(value.shape):
            if not isinstance(size, int):
                name = f"{value.name}_dim{place}" if place else "batch"
                names.setdefault(str(size.value), name)
    for value in values:
        for place, size in enumerate(value.shape or ()):
            if not isinstance(size, int) and size.value is not None:
                words = re.sub(r"\w+", lambda word: names.get(word[0], word[0]), size.value)
                value.shape[place] = words


def read_onnx(path: Path) -> Run:
    """Runs in onnxruntime, on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]

    def run(inputs: Inputs) -> list[Tensor]:
        feed = zip(names, tensors(inputs), strict=True)
        outputs = session.run(None, {name: t.numpy(force=True) for name, t in feed})
        return [torch.from_numpy(o) for o in outputs]

    return run


GENERAL = (
    "The model must run at any batch size, without Python branches on the values of tensors, and "
    "give tensors or lists, tuples or dicts of them; a recurrent layer needs every validation "
    "batch padded to one length."
)
FORMATS = {
    "onnx": Format(
        ".onnx",
        ("onnx", "onnxscript", "onnxruntime"),
        write_onnx,
        read_onnx,
        f"{GENERAL} Where that holds, try --format torch-export.",
    ),
    "torch-export": Format(
        ".pt2",
        (),
        write_program,
        read_program,
        f"{GENERAL} Elsewhere the model runs as it is: hierprune.load(folder).",
    ),
}
"""What a model can be exported as, by name."""
