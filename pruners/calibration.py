"""What a model's layers see: statistics of their dense inputs on a few hundred training samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from ..task import Batch, Task, batch_size, forward, head, head_of
from .layers import Conv, Layer, linear_maps

SAMPLES = 512
MAX_FEATURES = 8192
"""Layers with more input features get no Gram matrix: it would take over 256 MB."""
MAX_ROWS = 65536
"""Rows that one layer adds to its Gram matrix; convolutions on large images are thinned to it."""


@dataclass(frozen=True)
class Calibration:
    """A few batches of the train split, and the loss, for everything estimated from data."""

    batches: tuple[Batch, ...]
    loss: Callable[[Any, Any], Tensor] | None = None

    @classmethod
    def of(cls, task: Task, samples: int = SAMPLES, seed: int = 0) -> Calibration:
        """The first ``samples`` of the task's train split, in a reproducible order."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(tuple(take(task.batches("train"), samples)), task.loss)


def take(batches: Iterable[Batch], samples: int) -> Iterable[Batch]:
    """The first ``samples`` samples, the last batch shortened."""
    for inputs, targets in islice(batches, samples):
        n = batch_size(inputs)
        if n >= samples:
            yield head(inputs, samples), head_of(targets, samples)
            return
        samples -= n
        yield inputs, targets


@dataclass(frozen=True)
class InputStatistics:
    """Moments of one layer's dense inputs.

    Attributes:
        gram: mean of u u^T over samples and positions, shape (n, n), where u holds the input
            features in the order of the flattened weight, and a constant 1 at the end if the layer
            has a bias; ``None`` above ``MAX_FEATURES`` and for grouped or transposed convolutions.
        mean_abs: mean of |x| per input channel, shape (inputs,).
    """

    gram: Tensor | None
    mean_abs: Tensor


def input_statistics(model: nn.Module, calibration: Calibration) -> dict[str, InputStatistics]:
    """Statistics of every linear map's inputs, by module name; modules not reached are absent.

    ``model`` runs in eval mode and is left as it was.
    """
    sums = {layer.name: RunningSum(layer) for layer in linear_maps(model)}
    handles: list[RemovableHandle] = []
    was_training = model.training
    model.eval()
    try:
        for layer in linear_maps(model):
            handles.append(layer.module.register_forward_pre_hook(sums[layer.name].add))
        rows = MAX_ROWS // max(1, len(calibration.batches))
        with torch.no_grad():
            for inputs, _ in calibration.batches:
                for running in sums.values():
                    running.rows_left = rows
                forward(model, inputs)
    finally:
        for handle in handles:
            handle.remove()
        model.train(was_training)
    return {name: running.mean() for name, running in sums.items() if running.count}


class RunningSum:
    """Adds up one layer's input moments, call by call."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.gram: Tensor | None = None
        self.gram_rows = 0
        self.abs_sum: Tensor | float = 0.0
        self.count = 0
        self.rows_left = MAX_ROWS

    def add(self, module: nn.Module, args: tuple[Tensor, ...]) -> None:
        """Forward pre-hook: take in the inputs of one call."""
        x = args[0]
        spatial = len(module.kernel_size) if isinstance(module, Conv) else 0
        channels_last = x.movedim(-1 - spatial, -1).flatten(0, -2)  # (rows, inputs)
        self.abs_sum = self.abs_sum + channels_last.abs().sum(dim=0)
        self.count += len(channels_last)
        if has_gram(self.layer) and self.rows_left > 0:
            self.add_gram(features(self.layer, x))

    def add_gram(self, u: Tensor) -> None:
        """Add u^T u of feature rows, shape (rows, n), thinned to the rows left."""
        if u.shape[1] > MAX_FEATURES:
            return
        u = u[:: -(-len(u) // self.rows_left)]
        self.rows_left -= len(u)
        self.gram_rows += len(u)
        update = u.T @ u
        self.gram = update if self.gram is None else self.gram.add_(update)

    def mean(self) -> InputStatistics:
        """The means over everything added."""
        gram = None if self.gram is None else self.gram / self.gram_rows
        return InputStatistics(gram, torch.as_tensor(self.abs_sum) / self.count)


def has_gram(layer: Layer) -> bool:
    """Whether the layer's output is a plain matrix product with unfolded inputs."""
    module = layer.module
    if not isinstance(module, Conv):
        return True
    zero_padded = module.padding_mode == "zeros" and not isinstance(module.padding, str)
    return module.groups == 1 and not module.transposed and zero_padded


def features(layer: Layer, x: Tensor) -> Tensor:
    """Input features of every output position, shape (rows, n), 1 appended if there is a bias.

    Convolutions are unfolded: a row holds (inputs x kernel) values in the weight's own order.
    """
    module = layer.module
    u = unfold(module, x) if isinstance(module, Conv) else x.flatten(0, -2)
    if module.bias is not None:
        u = torch.cat([u, u.new_ones(len(u), 1)], dim=1)
    return u


def unfold(module: Conv, x: Tensor) -> Tensor:
    """Patches that a convolution reads, any spatial dimensions, shape (rows, inputs * kernel)."""
    if x.dim() == len(module.kernel_size) + 1:
        x = x.unsqueeze(0)
    assert not isinstance(module.padding, str)
    x = F.pad(x, [p for pad in reversed(module.padding) for p in (pad, pad)])
    for d, (size, step, gap) in enumerate(
        zip(module.kernel_size, module.stride, module.dilation, strict=True)
    ):
        span = gap * (size - 1) + 1
        x = x.unfold(2 + d, span, step)[..., ::gap]  # (N, C, positions..., kernel...)
    spatial = len(module.kernel_size)
    x = x.movedim(1, 1 + spatial)  # (N, positions..., C, kernel...)
    return x.flatten(1 + spatial).flatten(0, spatial)


Statistics = Mapping[str, InputStatistics]
