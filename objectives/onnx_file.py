"""A model as ONNX for measuring: one fixed shape, the initialisers inside, nothing on disk."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

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
    flat, tensors = Flat(model, inputs), tensors_of(inputs)
    error: Exception | None = None
    for write in (by_tracing, by_program):
        try:
            with quiet(), measuring(model):
                return write(flat, tensors)
        except Exception as failure:
            error = error or failure
    raise UsageError(
        f"the model cannot be exported to ONNX, which its runtime needs: "
        f"{type(error).__name__}: {str(error).strip().splitlines()[0][:300]}; "
        f"measure it with --runtime eager"
    ) from error


class Flat(nn.Module):
    """A model that takes the tensors of its inputs one by one, whatever the inputs are."""

    def __init__(self, model: nn.Module, inputs: Inputs) -> None:
        super().__init__()
        self.model = model
        self.leaves, self.spec = tree_flatten(
            dict(inputs) if isinstance(inputs, Mapping) else inputs
        )

    def forward(self, *tensors: Tensor) -> Any:
        """Call the model; what is no tensor is as it was."""
        rest = iter(tensors)
        leaves = [next(rest) if isinstance(v, Tensor) else v for v in self.leaves]
        return forward(self.model, tree_unflatten(leaves, self.spec))


def tensors_of(inputs: Inputs) -> tuple[Tensor, ...]:
    """The tensors of a batch of inputs, in the order of a file's inputs."""
    leaves = tree_leaves(dict(inputs) if isinstance(inputs, Mapping) else inputs)
    return tuple(t for t in leaves if isinstance(t, Tensor))


def names_of(inputs: tuple[Tensor, ...]) -> list[str]:
    """What a file calls them."""
    return [f"input{i}" for i in range(len(inputs))]


def by_tracing(model: nn.Module, inputs: tuple[Tensor, ...]) -> bytes:
    """Record the operations of one forward."""
    file = io.BytesIO()
    names = names_of(inputs)
    torch.onnx.export(model, inputs, cast(Any, file), input_names=names, dynamo=False)
    return file.getvalue()


def by_program(model: nn.Module, inputs: tuple[Tensor, ...]) -> bytes:
    """Through ``torch.export``."""
    names = names_of(inputs)
    program = torch.onnx.export(model, inputs, input_names=names, dynamo=True, verbose=False)
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content


def open_session(content: bytes, threads: int) -> Any:
    """An ``onnxruntime.InferenceSession`` on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def feed(session: Any, tensors: tuple[Tensor, ...]) -> dict[str, Any]:
    """What a session is given that takes these tensors in this order."""
    names = (i.name for i in session.get_inputs())
    return {n: t.numpy(force=True) for n, t in zip(names, tensors, strict=True)}


def session(content: bytes, inputs: Inputs, threads: int) -> Callable[[], list[Any]]:
    """A session that runs these inputs at every call, of a file of :func:`exported`."""
    run = open_session(content, threads)
    tensors = tensors_of(inputs)
    values = dict(zip(names_of(tensors), tensors, strict=True))
    fed = {i.name: values[i.name].numpy(force=True) for i in run.get_inputs()}
    return lambda: list(run.run(None, fed))


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


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing of what the exporters warn of, log and print, all of it about their own insides."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
