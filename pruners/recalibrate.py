"""BatchNorm recovery: statistics re-estimated on the pruned model."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..task import forward
from .calibration import Calibration


@torch.no_grad()
def recalibrate(model: nn.Module, calibration: Calibration) -> None:
    """Replace running statistics, in place, by their mean over the calibration batches.

    Only BatchNorm layers run in train mode meanwhile. Without any, no batch is run.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not norms:
        return
    was_training, momenta = model.training, [m.momentum for m in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    for inputs, _ in calibration.batches:
        forward(model, inputs)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(was_training)
