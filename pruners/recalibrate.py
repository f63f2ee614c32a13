"""BatchNorm recovery: statistics re-estimated on the pruned model."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle

from ..objectives.modes import measuring
from ..task import batch_size, forward
from .calibration import Calibration


def recalibrate(model: nn.Module, calibration: Calibration) -> None:
    """Replace running statistics, in place, by their mean over the calibration samples.

    Only BatchNorm layers run in train mode meanwhile. Without any, no batch is run. Batches of one
    sample, whose variance may not be known, count only where there are no others. The statistics of
    a layer that is never given two values per channel at once stay.
    """
    norms = tracked(model)
    everything = [inputs for inputs, _ in calibration.batches]
    batches = [inputs for inputs in everything if batch_size(inputs) > 1] or everything
    if not norms or not batches:
        return
    momenta = [m.momentum for m in norms]
    handles = [average(m) for m in norms]
    try:
        with measuring(model):
            for inputs in batches:
                forward(model, inputs)
    finally:
        for handle in handles:
            handle.remove()
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def tracked(model: nn.Module) -> list[_BatchNorm]:
    """The layers with running statistics."""
    return [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]


def average(norm: _BatchNorm) -> RemovableHandle:
    """Let a layer take the mean over its calls, weighted by their samples, until removed.

    Calls without two values per channel, which have no variance, use the statistics there are.
    """
    seen = 0

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        nonlocal seen
        x = (*args, *kwargs.values())[0]
        norm.train(x[:, :1].numel() > 1)
        if not norm.training:
            return
        if not seen:
            norm.reset_running_stats()
        seen += len(x)
        norm.momentum = len(x) / seen

    return norm.register_forward_pre_hook(before, with_kwargs=True)
