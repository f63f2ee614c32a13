"""An ONNX file at work in the place of the model that it was made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from ..task import Inputs, forward
from .modes import measuring
from .onnx_file import feed, open_session, tensors_of
from .packing import stored_bytes


class OnnxModel(nn.Module):
    """The same inputs as the model's, outputs nested the same way, answered by onnxruntime.

    Args:
        content: of the file; it takes any batch size.
        like: the model that it was made of.
        inputs: a batch, which shows how the model nests its outputs.
    """

    def __init__(self, content: bytes, like: nn.Module, inputs: Inputs) -> None:
        super().__init__()
        self.content = content
        with measuring(like):
            self._leaves, self._spec = tree_flatten(forward(like, inputs))
        self._session = open_session(content, torch.get_num_threads())

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """See :class:`OnnxModel`."""
        inputs = tensors_of(kwargs or args)
        arrays = iter(self._session.run(None, feed(self._session, inputs)))
        found = [
            as_tensor(next(arrays), inputs) if isinstance(v, Tensor) else v for v in self._leaves
        ]
        return tree_unflatten(found, self._spec)

    def runs(self, inputs: Inputs, threads: int) -> Callable[[], list[Any]]:
        """A session of its own that runs these inputs at every call."""
        session = open_session(self.content, threads)
        fed = feed(session, tensors_of(inputs))
        return lambda: list(session.run(None, fed))

    def weights(self) -> dict[str, Tensor]:
        """What the file holds: weights, biases, scales and zero points, by name."""
        import onnx

        graph = onnx.load_model_from_string(self.content).graph
        arrays = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
        return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}

    def stored_bytes(self) -> int:
        """Bytes of these as a safetensors file, every one whole as the ONNX file has it."""
        return stored_bytes(self.weights(), sparse=False)


def as_tensor(array: Any, inputs: tuple[Tensor, ...]) -> Tensor:
    """An array as a tensor where the inputs are."""
    return torch.from_numpy(array).to(inputs[0].device if inputs else "cpu")
