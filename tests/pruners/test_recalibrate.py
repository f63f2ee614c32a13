"""Only the statistics of BatchNorm change, to those of the data."""

import torch
from torch import nn

from hierprune.pruners.calibration import Calibration
from hierprune.pruners.recalibrate import recalibrate


def test_statistics_become_the_mean_over_batches():
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(3, momentum=0.3)
    model = nn.Sequential(nn.Linear(4, 3), norm, nn.Dropout(0.5)).train()
    model[2].eval()
    batches = tuple((torch.randn(16, 4), None) for _ in range(3))
    weights = {k: v.clone() for k, v in model.state_dict().items() if "running" not in k}
    recalibrate(model, Calibration(batches))
    outputs = [model[0](x).detach() for x, _ in batches]
    assert torch.allclose(norm.running_mean, torch.stack([y.mean(0) for y in outputs]).mean(0))
    assert torch.allclose(norm.running_var, torch.stack([y.var(0) for y in outputs]).mean(0))
    assert norm.momentum == 0.3
    assert [m.training for m in model.modules()] == [True, True, True, False]
    for name, value in weights.items():
        if "num_batches" not in name:
            assert torch.equal(value, model.state_dict()[name])


def test_without_batch_norm_no_batch_is_run():
    class Refuses(nn.Module):
        def forward(self, x):
            raise AssertionError("was run")

    recalibrate(nn.Sequential(Refuses(), nn.LayerNorm(3)), Calibration(((torch.ones(2, 3), None),)))
