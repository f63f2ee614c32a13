"""Learning from the dense model: its outputs as further targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ..errors import UsageError
from ..task import Inputs, forward
from .precision import Forward


@dataclass(frozen=True, eq=False)
class Distillation:
    """Mean squared distance between the outputs of a model and of its teacher, relative.

    On logits it does as well as the divergence of softened probabilities (Kim et al. 2021,
    arXiv:2105.08919), needs no temperature, and serves any outputs: all float tensors in them.
    It is divided by the mean square of the teacher's outputs, so that a weight means the same for
    outputs of any size: large logits would else drown the task's loss. Numbers that are infinite or
    NaN on either side, as of masked classes, do not count. Outputs that the model gives only in
    training, as of auxiliary classifiers, have no target; see :func:`partners`.

    Attributes:
        teacher: the dense model, in eval mode; it is not changed.
        weight: of the distance in the loss, in [0, 1]; the task's own loss has the rest.
        run: calls the teacher.
    """

    teacher: nn.Module
    weight: float
    run: Forward = forward

    def __call__(self, own: Tensor, outputs: Any, inputs: Inputs) -> Tensor:
        """The loss: ``own`` is the task's, ``outputs`` are the model's on ``inputs``.

        Raises:
            UsageError: an output of the teacher has no partner among the model's.
        """
        with torch.no_grad():
            targets = float_leaves(self.run(self.teacher, inputs))
        matched = partners(float_leaves(outputs), targets)
        distances = [relative_distance(o, t) for o, t in zip(matched, targets, strict=True)]
        return (1 - self.weight) * own + self.weight * torch.stack(distances).sum()


def partners(outputs: Sequence[Tensor], targets: Sequence[Tensor]) -> list[Tensor]:
    """For every target, in order, the next of the outputs that has its shape.

    Raises:
        UsageError: there is none.
    """
    found, left = [], iter(outputs)
    for target in targets:
        partner = next((o for o in left if o.shape == target.shape), None)
        if partner is None:
            raise UsageError(
                "distillation needs an output of the model in training for each of the teacher's, "
                f"in order and of one shape: {shapes(outputs)} for {shapes(targets)}"
            )
        found.append(partner)
    return found


def shapes(tensors: Sequence[Tensor]) -> str:
    """The shapes of tensors, for a message."""
    return ", ".join(str(tuple(t.shape)) for t in tensors) or "none"


def relative_distance(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared distance over the mean square of ``target``, a scalar; both of one shape.

    Only what is finite in both counts; the distance is 0 where nothing is.
    """
    finite = output.isfinite() & target.isfinite()
    if not finite.all():
        output, target = output[finite], target[finite]
        if not len(target):
            return target.new_zeros(())
    scale = target.square().mean().clamp_min(torch.finfo(target.dtype).tiny)
    return nn.functional.mse_loss(output, target) / scale


def float_leaves(outputs: Any) -> list[Tensor]:
    """The float tensors in a model's outputs."""
    return [t for t in tree_leaves(outputs) if isinstance(t, Tensor) and t.is_floating_point()]
