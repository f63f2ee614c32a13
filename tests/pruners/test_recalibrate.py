"""Only the statistics of BatchNorm change, to those of the data."""

import pytest
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


def test_every_sample_counts_the_same():
    torch.manual_seed(0)
    norm, x = nn.BatchNorm1d(3, affine=False), torch.randn(40, 3)
    recalibrate(norm.eval(), Calibration(((x[:32], None), (x[32:], None))))
    assert torch.allclose(norm.running_mean, x.mean(0), atol=1e-6)


def test_one_sample_left_over_does_no_harm():
    torch.manual_seed(0)
    norm, x = nn.BatchNorm1d(3), torch.randn(33, 3)
    recalibrate(norm.eval(), Calibration(((x[:32], None), (x[32:], None))))
    assert torch.allclose(norm.running_var, x[:32].var(0))
    images = nn.BatchNorm2d(2).eval()
    recalibrate(images, Calibration(((torch.randn(1, 2, 9, 9) + 3, None),)))
    assert (images.running_mean - 3).abs().max() < 1


def test_without_data_the_statistics_stay():
    norm = nn.BatchNorm1d(3).eval()
    norm.running_mean.fill_(5.0)
    recalibrate(norm, Calibration(()))
    assert norm.running_mean.tolist() == [5.0] * 3


def test_settings_are_put_back_when_the_model_fails():
    model = nn.Sequential(nn.BatchNorm1d(3, momentum=0.2), nn.Linear(4, 1)).eval()
    with pytest.raises(RuntimeError):
        recalibrate(model, Calibration(((torch.randn(5, 3), None),)))
    assert model[0].momentum == 0.2
    assert not any(m.training for m in model.modules())


def test_layers_without_running_statistics_stay_without():
    norm = nn.BatchNorm1d(3, track_running_stats=False).eval()
    recalibrate(norm, Calibration(((torch.randn(5, 3), None),)))
    assert norm.running_mean is None


def test_layers_without_two_values_at_once_keep_their_statistics():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(2)
    ).eval()
    images, features = model[0], model[3]
    features.running_mean.fill_(5.0)
    batches = tuple((torch.randn(1, 2, 9, 9) + 3, None) for _ in range(4))
    recalibrate(model, Calibration(batches))
    assert features.running_mean.tolist() == [5.0] * 2
    assert features.running_var.tolist() == [1.0] * 2
    means = torch.cat([x for x, _ in batches]).mean(dim=(0, 2, 3))
    assert torch.allclose(images.running_mean, means, atol=1e-5)
    assert not any(m.training or m._forward_pre_hooks for m in model.modules())


class Sorted(nn.Module):
    """Rows above 5 go through one layer, the others through another."""

    def __init__(self):
        super().__init__()
        self.high, self.low = nn.BatchNorm1d(1), nn.BatchNorm1d(1)

    def forward(self, x):
        return torch.cat([self.high(x[x[:, 0] > 5]), self.low(input=x[x[:, 0] <= 5])])


def test_layers_that_see_some_rows_take_the_mean_of_those():
    torch.manual_seed(0)
    low, high = torch.rand(60, 1), torch.rand(60, 1) + 9
    model = Sorted().eval()
    mixed = torch.cat([low[:50], high[:1]])
    batches = (high[:20], mixed, high[20:], torch.cat([low[50:], high[1:2]]))
    recalibrate(model, Calibration(tuple((x, None) for x in batches)))
    assert torch.allclose(model.high.running_mean, high.mean(0), atol=1e-5)
    assert torch.allclose(model.low.running_mean, low.mean(0), atol=1e-5)
