"""Which units matter: one saliency per unit, the lowest go first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..errors import UsageError, unknown
from ..task import Inputs
from .calibration import Calibration, input_statistics
from .layers import Layer, by_weight
from .tree import Cut, Group

Saliency = Mapping[str, Tensor]
"""Scores by group name, shape (width,): of units, or of a weight's flattened elements."""


class Criterion(Protocol):
    """Saliency of every unit of every group."""

    def __call__(
        self, model: nn.Module, groups: Sequence[Group], calibration: Calibration
    ) -> dict[str, Tensor]:
        """One finite, non-negative score per unit, shape (width,); the lowest go first.

        Leaves ``model`` as it was.
        """


@dataclass(frozen=True)
class Magnitude:
    """Norm of the weights that make a unit; of single weights, their magnitude.

    Li et al. 2017, arXiv:1608.08710 (L1 norm of filters); ``power`` 2 gives the L2 norm.
    """

    power: int

    def __call__(
        self, model: nn.Module, groups: Sequence[Group], calibration: Calibration
    ) -> dict[str, Tensor]:
        """See :class:`Criterion`; needs no data."""
        powers = {
            n: p.detach().abs() ** self.power for n, p in model.named_parameters() if p.dim() > 1
        }
        return {g.name: producer_sum(model, g, powers) ** (1 / self.power) for g in groups}


@dataclass(frozen=True)
class Taylor:
    """First-order estimate of the loss change when a unit goes: (sum of gradient x weight)^2.

    Molchanov et al. 2019, arXiv:1906.10771, eq. (8), mean over calibration batches.
    """

    def __call__(
        self, model: nn.Module, groups: Sequence[Group], calibration: Calibration
    ) -> dict[str, Tensor]:
        """See :class:`Criterion`.

        Raises:
            UsageError: the calibration has no loss.
        """
        if calibration.loss is None:
            raise UsageError("criterion 'taylor' needs a loss: give a task, or another criterion")
        total = {g.name: torch.zeros(g.width) for g in groups}
        for gradients in batch_gradients(model, calibration):
            for g in groups:
                total[g.name] += producer_sum(model, g, gradients) ** 2
        return {name: value / len(calibration.batches) for name, value in total.items()}


@dataclass(frozen=True)
class ActivationWeighted:
    """How much a unit feeds the next layer: mean |activation| x sum of the |weights| that read it.

    Of single weights: |weight| x mean |input|. After Sun et al. 2024, arXiv:2306.11695, eq. (1),
    with the mean absolute in place of the L2 norm. Units that no linear map reads directly are
    scored by the L1 norm of the weights that make them.
    """

    def __call__(
        self, model: nn.Module, groups: Sequence[Group], calibration: Calibration
    ) -> dict[str, Tensor]:
        """See :class:`Criterion`."""
        layers = by_weight(model)
        feeds = {}
        for name, stats in input_statistics(model, calibration).items():
            layer = layers[f"{name}.weight" if name else "weight"]
            if not layer.grouped:
                shape = [1] * layer.weight.dim()
                shape[layer.in_dim] = -1
                feeds[layer.weight_name] = layer.weight.detach().abs() * stats.mean_abs.view(shape)
        fallback = Magnitude(1)
        scores = {}
        for g in groups:
            readers = [c for c in g.cuts if c.tensor in feeds and reads(layers[c.tensor], c)]
            found = sum_over(g, readers, feeds) if readers or g.size else None
            scores[g.name] = fallback(model, [g], calibration)[g.name] if found is None else found
        return scores


@dataclass(frozen=True)
class Random:
    """Random scores in [0, 1), the control that every criterion must beat."""

    seed: int = 0

    def __call__(
        self, model: nn.Module, groups: Sequence[Group], calibration: Calibration
    ) -> dict[str, Tensor]:
        """See :class:`Criterion`; needs no data."""
        generator = torch.Generator().manual_seed(self.seed)
        return {g.name: torch.rand(g.width, generator=generator) for g in groups}


CRITERIA: Mapping[str, Criterion] = {
    "activation": ActivationWeighted(),
    "l1": Magnitude(1),
    "l2": Magnitude(2),
    "random": Random(),
    "taylor": Taylor(),
}


def criterion(name: str) -> Criterion:
    """The criterion of that name.

    Raises:
        UsageError: there is none; the nearest is offered.
    """
    if name not in CRITERIA:
        raise unknown("criterion", name, CRITERIA)
    return CRITERIA[name]


def producer_sum(model: nn.Module, group: Group, values: Mapping[str, Tensor]) -> Tensor:
    """Sum of ``values`` over the weights that make each unit, shape (width,).

    Those are all parameters of the group but the weights that read it.
    """
    layers = by_weight(model)
    makers = [
        c
        for c in group.cuts
        if c.tensor in values and not (c.tensor in layers and reads(layers[c.tensor], c))
    ]
    return sum_over(group, makers or [c for c in group.cuts if c.tensor in values], values)


def reads(layer: Layer, cut: Cut) -> bool:
    """Whether the cut removes inputs of the layer, not outputs."""
    return cut.dim == layer.in_dim


def sum_over(group: Group, cuts: Sequence[Cut], values: Mapping[str, Tensor]) -> Tensor:
    """Sum of ``values`` over each unit's positions in these cuts, shape (width,)."""
    if group.size:
        return values[group.cuts[0].tensor].flatten()
    total = torch.zeros(group.width)
    for cut in cuts:
        value = values[cut.tensor]
        along = value.movedim(cut.dim, 0).flatten(1).sum(dim=1) if value.dim() > 1 else value
        total += along[torch.tensor(cut.indices)].sum(dim=1)
    return total


def batch_gradients(model: nn.Module, calibration: Calibration) -> list[dict[str, Tensor]]:
    """Gradient x weight of every parameter, for each calibration batch, in eval mode."""
    assert calibration.loss is not None
    was_training = model.training
    model.eval()
    products = []
    try:
        for inputs, targets in calibration.batches:
            leaves = {n: p.detach().requires_grad_() for n, p in model.named_parameters()}
            outputs = call_with(model, leaves, inputs)
            gradients = torch.autograd.grad(
                calibration.loss(outputs, targets), list(leaves.values()), allow_unused=True
            )
            products.append(
                {
                    n: p.detach() * (torch.zeros_like(p) if g is None else g)
                    for (n, p), g in zip(leaves.items(), gradients, strict=True)
                }
            )
    finally:
        model.train(was_training)
    return products


def call_with(model: nn.Module, parameters: dict[str, Tensor], inputs: Inputs) -> Any:
    """Forward of ``model`` with other tensors in place of its parameters."""
    if isinstance(inputs, Mapping):
        return functional_call(model, parameters, (), dict(inputs))
    args = tuple(inputs) if isinstance(inputs, list | tuple) else (inputs,)
    return functional_call(model, parameters, args)
