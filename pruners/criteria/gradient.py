"""Saliency from gradients: of the loss on calibration data, or of the synaptic flow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._pytree import tree_map

from ...errors import UsageError
from ...objectives.modes import measuring
from ...objectives.runtime import device_of
from ...task import Inputs
from ..calibration import Calibration
from ..tree import Group
from ..uses import single
from .base import unit_sums

Products = dict[str, Tensor]
"""Gradient x weight of every parameter, by name."""


@dataclass(frozen=True)
class Taylor:
    """First-order estimate of the loss change when a unit goes: (sum of gradient x weight)^2.

    Molchanov et al. 2019, arXiv:1906.10771, eq. (8), mean over calibration batches.
    """

    def __call__(
        self, model: nn.Module, groups: Sequence[Group], calibration: Calibration
    ) -> dict[str, Tensor]:
        """See :class:`Criterion`; needs data and a loss."""
        return mean_over_batches(model, groups, calibration, lambda g, p: unit_sums(g, p) ** 2)


@dataclass(frozen=True)
class Fisher:
    """Second-order estimate with the empirical Fisher diagonal: 1/2 sum of (gradient x weight)^2.

    LeCun et al. 1990 (optimal brain damage), eq. (5), the Hessian's diagonal replaced by the mean
    of squared batch gradients (Theis et al. 2018, arXiv:1801.05787).
    """

    def __call__(
        self, model: nn.Module, groups: Sequence[Group], calibration: Calibration
    ) -> dict[str, Tensor]:
        """See :class:`Criterion`; needs data and a loss."""

        def score(group: Group, products: Products) -> Tensor:
            return unit_sums(group, {n: 0.5 * p**2 for n, p in products.items()})

        return mean_over_batches(model, groups, calibration, score)


@dataclass(frozen=True)
class Snip:
    """Connection sensitivity at the weights as they are: sum of |gradient x weight|.

    Lee et al. 2019, arXiv:1810.02340, eq. (5), mean over calibration batches.
    """

    def __call__(
        self, model: nn.Module, groups: Sequence[Group], calibration: Calibration
    ) -> dict[str, Tensor]:
        """See :class:`Criterion`; needs data and a loss."""

        def score(group: Group, products: Products) -> Tensor:
            return unit_sums(group, {n: p.abs() for n, p in products.items()})

        return mean_over_batches(model, groups, calibration, score)


@dataclass(frozen=True)
class SynFlow:
    """Share of the flow through a network of |weights| fed with ones; needs inputs, no targets.

    Tanaka et al. 2020, arXiv:2006.05467, eq. (1) and (2). In double precision, since the flow
    grows with depth; relative to its sum over each group.
    """

    def __call__(
        self, model: nn.Module, groups: Sequence[Group], calibration: Calibration
    ) -> dict[str, Tensor]:
        """See :class:`Criterion`; needs data, for its shapes alone."""
        inputs = tree_map(ones, first_inputs(calibration, "synflow"))
        leaves = {n: p.detach().double().abs().requires_grad_() for n, p in named(model)}
        buffers = {n: b.double() if b.is_floating_point() else b for n, b in model.named_buffers()}
        with measuring(model), torch.enable_grad():
            flow = outputs_sum(call_with(model, leaves | buffers, inputs))
        total = flow.detach().abs().clamp(min=1e-300)
        products = {n: (p / total).float() for n, p in times_gradient(flow, leaves).items()}
        scores = {g.name: unit_sums(g, products).abs() for g in groups}
        return {n: s / s.sum().clamp(min=1e-30) for n, s in scores.items()}


def mean_over_batches(
    model: nn.Module, groups: Sequence[Group], calibration: Calibration, score: Any
) -> dict[str, Tensor]:
    """Mean of ``score(group, products)`` over the calibration batches, by group."""
    device = device_of(model)
    total = {g.name: torch.zeros(g.width, device=device) for g in groups}
    for products in batch_products(model, calibration):
        for g in groups:
            total[g.name] += score(g, products)
    return {name: value / len(calibration.batches) for name, value in total.items()}


def batch_products(model: nn.Module, calibration: Calibration) -> Iterator[Products]:
    """Gradient x weight of every parameter, for each calibration batch, in eval mode.

    Raises:
        UsageError: there is no loss or no batch.
    """
    if calibration.loss is None:
        raise UsageError("a criterion of gradients needs a loss: give a task, or pass loss=...")
    first_inputs(calibration, "gradients")
    with measuring(model), torch.enable_grad():
        for inputs, targets in calibration.batches:
            leaves = {n: p.detach().clone().requires_grad_() for n, p in named(model)}
            loss = calibration.loss(call_with(model, leaves, inputs), targets)
            yield times_gradient(loss, leaves)


def times_gradient(value: Tensor, leaves: Mapping[str, Tensor]) -> Products:
    """Gradient of ``value`` by each leaf, times the leaf; zero where it does not depend on it.

    In single precision at least.
    """
    gradients = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    return {
        n: single(leaf.detach()) * single(torch.zeros_like(leaf) if g is None else g)
        for (n, leaf), g in zip(leaves.items(), gradients, strict=True)
    }


def call_with(model: nn.Module, tensors: dict[str, Tensor], inputs: Inputs) -> Any:
    """Forward of ``model`` with other tensors in place of its parameters and buffers."""
    if isinstance(inputs, Mapping):
        return functional_call(model, tensors, (), dict(inputs))
    args = tuple(inputs) if isinstance(inputs, list | tuple) else (inputs,)
    return functional_call(model, tensors, args)


def named(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Floating-point parameters by name."""
    return [(n, p) for n, p in model.named_parameters() if p.is_floating_point()]


def first_inputs(calibration: Calibration, who: str) -> Inputs:
    """Inputs of the first calibration batch.

    Raises:
        UsageError: there is none.
    """
    if not calibration.batches:
        raise UsageError(f"criterion {who!r} needs data: pass calibration=[batch, ...]")
    return calibration.batches[0][0]


def ones(value: Any) -> Any:
    """Ones in double precision in the place of a float tensor; anything else as it is."""
    if isinstance(value, Tensor) and value.is_floating_point():
        return torch.ones_like(value, dtype=torch.float64)
    return value


def outputs_sum(outputs: Any) -> Tensor:
    """Sum over all float tensors in a model's outputs."""
    sums: list[Tensor] = []
    tree_map(
        lambda t: sums.append(t.sum()) if isinstance(t, Tensor) and t.is_floating_point() else None,
        outputs,
    )
    return torch.stack(sums).sum()
