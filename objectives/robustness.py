"""Quality on inputs that are worse than the data: noise, blur, light, and attacks.

The disturbance is of floating-point inputs and in units of their standard deviation in the batch,
so it means the same for any normalisation. The same noise meets every model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_map

from ..task import Batch, Direction, Inputs, forward
from .base import Candidate, Measurement, measure_quality
from .modes import measuring

KINDS = ("noise", "blur", "brightness", "contrast", "fgsm")
STRENGTH: Mapping[str, float] = {
    "noise": 0.5,
    "blur": 1.0,
    "brightness": 0.5,
    "contrast": 0.5,
    "fgsm": 0.1,
}
"""Standard deviations of the batch; of blur the width in pixels, of contrast the share left."""


@dataclass(frozen=True)
class Robustness:
    """One metric of the task on disturbed inputs, with its 95 % interval.

    ``fgsm`` moves every input by one step along the sign of the loss's gradient in the model under
    test, of a quantised file in the model that it was made of: Goodfellow et al. 2015,
    arXiv:1412.6572, eq. (2).

    Attributes:
        kind: one of :data:`KINDS`.
        metric: of the task, or ``"loss"``.
        direction: of the metric.
        unit: of the metric.
    """

    kind: str
    metric: str
    direction: Direction
    unit: str = ""

    @property
    def name(self) -> str:
        """``noise_accuracy``, say."""
        return f"{self.kind}_{self.metric}"

    def __call__(self, candidate: Candidate) -> Measurement:
        """The metric on the disturbed split."""
        split, task = candidate.split, candidate.task

        def disturbed() -> Iterator[Batch]:
            draw = torch.Generator().manual_seed(0)
            for inputs, targets in task.batches(split):
                yield self.disturb(candidate, inputs, targets, draw), targets

        splits: dict[str, Any] = {split: disturbed}
        return measure_quality(candidate.answers, replace(task, **splits), split)[self.metric]

    def disturb(
        self, candidate: Candidate, inputs: Inputs, targets: Any, draw: torch.Generator
    ) -> Inputs:
        """The inputs, worse."""
        strength = STRENGTH[self.kind]
        if self.kind == "fgsm":
            return attacked(candidate, inputs, targets, strength)

        def one(value: Any) -> Any:
            if not isinstance(value, Tensor) or not value.is_floating_point():
                return value
            return changed(value, self.kind, strength, draw)

        found: Inputs = tree_map(one, dict(inputs) if isinstance(inputs, Mapping) else inputs)
        return found


def changed(value: Tensor, kind: str, strength: float, draw: torch.Generator) -> Tensor:
    """A batch (B, ...) disturbed; blur needs images (B, C, H, W), else it does nothing."""
    if kind == "noise":
        return value + strength * spread(value) * torch.randn(value.shape, generator=draw).to(value)
    if kind == "brightness":
        return value + strength * spread(value)
    if kind == "contrast":
        return value.mean() + strength * (value - value.mean())
    if value.dim() != 4:
        return value
    steps = torch.arange(-2.0, 3.0)
    line = torch.exp(-(steps**2) / (2 * strength**2))
    kernel = (line[:, None] * line / line.sum() ** 2).to(value)  # (5, 5)
    channels = value.shape[1]
    weight = kernel.expand(channels, 1, 5, 5)
    return F.conv2d(F.pad(value, [2] * 4, mode="replicate"), weight, groups=channels)


def spread(value: Tensor) -> Tensor:
    """Standard deviation of all numbers in a batch, a scalar; 0 where it holds a single one."""
    return value.std() if value.numel() > 1 else value.new_zeros(())


def attacked(candidate: Candidate, inputs: Inputs, targets: Any, strength: float) -> Inputs:
    """The inputs one step up the loss; as they are where it has no gradient there."""
    model: nn.Module = candidate.model
    plain = dict(inputs) if isinstance(inputs, Mapping) else inputs
    moved = tree_map(leaf, plain)
    with measuring(model), torch.enable_grad():
        loss = candidate.task.loss(forward(model, moved), targets)
        if not loss.requires_grad:
            return inputs
        tensors: list[Tensor] = []
        tree_map(lambda v: tensors.append(v) if wants_grad(v) else None, moved)
        grads = torch.autograd.grad(loss, tensors, allow_unused=True)
    step = {id(t): g for t, g in zip(tensors, grads, strict=True)}

    def one(value: Any) -> Any:
        grad = step.get(id(value))
        if grad is None:
            return value.detach() if isinstance(value, Tensor) else value
        return (value + strength * spread(value) * grad.sign()).detach()

    found: Inputs = tree_map(one, moved)
    return found


def leaf(value: Any) -> Any:
    """A floating-point tensor that a gradient can be taken in; anything else as it is."""
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.detach().clone().requires_grad_(True)
    return value


def wants_grad(value: Any) -> bool:
    """Whether it is a tensor with a gradient."""
    return isinstance(value, Tensor) and value.requires_grad
