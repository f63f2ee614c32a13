"""BatchNorm recovery: statistics re-estimated on the pruned model."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..objectives.modes import measuring
from ..task import forward
from .calibration import Calibration


def recalibrate(model: nn.Module, calibration: Calibration) -> None:
    """Replace running statistics, in place, by their mean over the calibration batches.

    Only BatchNorm layers run in train mode meanwhile. Without any, no batch is run.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not norms:
        return
    momenta = [m.momentum for m in norms]
    with measuring(model):
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        for inputs, _ in calibration.batches:
            forward(model, inputs)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
