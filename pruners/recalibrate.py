"""BatchNorm recovery: statistics re-estimated on the pruned model."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..objectives.modes import measuring
from ..task import Inputs, batch_size, forward
from .calibration import Calibration


def recalibrate(model: nn.Module, calibration: Calibration) -> None:
    """Replace running statistics, in place, by their mean over the calibration samples.

    Only BatchNorm layers run in train mode meanwhile. Without any, no batch is run; without
    batches, the statistics stay. Batches of one sample, whose variance may not be known, count
    only where there are no others.
    """
    norms = tracked(model)
    everything = [inputs for inputs, _ in calibration.batches]
    batches = [inputs for inputs in everything if batch_size(inputs) > 1] or everything
    if not norms or not batches:
        return
    momenta = [m.momentum for m in norms]
    try:
        with measuring(model):
            estimate(model, norms, batches)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def tracked(model: nn.Module) -> list[_BatchNorm]:
    """The layers with running statistics."""
    return [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]


def estimate(model: nn.Module, norms: Sequence[_BatchNorm], batches: Sequence[Inputs]) -> None:
    """Run the batches with these layers in train mode, every batch weighted by its samples."""
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
    seen = 0
    for inputs in batches:
        seen += batch_size(inputs)
        for norm in norms:
            norm.momentum = batch_size(inputs) / seen
        forward(model, inputs)
