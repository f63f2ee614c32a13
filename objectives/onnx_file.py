"""A model as ONNX for measuring: one fixed shape, the initialisers inside, nothing on disk."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ..errors import UsageError
from ..task import Inputs, forward
from .modes import measuring

TOLERANCE = 1e-3
"""Of the largest output, or of 1: a session that differs by more does not run this model."""


def exported(model: nn.Module, inputs: Inputs) -> bytes:
    """The model in eval mode as an ONNX file for inputs of these shapes.

    By tracing, which takes a tenth of a second where torch's newer exporter takes three; by the
    newer one where tracing fails.

    Raises:
        UsageError: it cannot be exported.
    """
    args, kwargs = as_call(inputs)
    error: Exception | None = None
    for write in (by_tracing, by_program):
        try:
            with quiet(), measuring(model):
                return write(model, args, kwargs)
        except Exception as failure:
            error = error or failure
    raise UsageError(
        f"the model cannot be exported to ONNX, which its runtime needs: "
        f"{type(error).__name__}: {str(error).strip().splitlines()[0][:300]}; "
        f"measure it with --runtime eager"
    ) from error


def by_tracing(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    """Record the operations of one forward."""
    file = io.BytesIO()
    torch.onnx.export(model, args, file, kwargs=kwargs or None, dynamo=False)
    return file.getvalue()


def by_program(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    """Through ``torch.export``."""
    program = torch.onnx.export(model, args, kwargs=kwargs or None, dynamo=True, verbose=False)
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content


def session(content: bytes, inputs: Inputs, threads: int) -> Callable[[], list[Any]]:
    """An onnxruntime session on the CPU that runs these inputs at every call."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    run = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    feed = named(inputs, [i.name for i in run.get_inputs()])
    return lambda: run.run(None, feed)  # type: ignore[no-any-return]


def named(inputs: Inputs, names: list[str]) -> dict[str, Any]:
    """The tensors of a batch by the names of a graph's inputs.

    A graph has no input for a tensor that the model does not use.
    """
    if isinstance(inputs, dict) and set(names) <= set(inputs):
        return {name: inputs[name].numpy(force=True) for name in names}
    tensors = [t for t in tree_leaves(inputs) if isinstance(t, Tensor)]
    return {n: t.numpy(force=True) for n, t in zip(names, tensors, strict=True)}


def check(model: nn.Module, content: bytes, inputs: Inputs) -> None:
    """See that the file computes what the model does.

    Raises:
        UsageError: it does not.
    """
    with measuring(model):
        expected = [t for t in tree_leaves(forward(model, inputs)) if isinstance(t, Tensor)]
    for output, value in zip(session(content, inputs, 1)(), expected, strict=True):
        off = float((torch.from_numpy(output) - value.cpu()).abs().max()) if value.numel() else 0.0
        if not off <= TOLERANCE * max(1.0, float(value.abs().max())):
            raise UsageError(
                f"the model's ONNX file computes something else, off by {off:.3g}; "
                f"measure it with --runtime eager"
            )


def as_call(inputs: Inputs) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and named arguments of the model's call; see :func:`..task.forward`."""
    if isinstance(inputs, dict):
        return (), {**inputs}
    return (tuple(inputs) if isinstance(inputs, list | tuple) else (inputs,)), {}


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing of what the exporters warn of, log and print, all of it about their own insides."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
