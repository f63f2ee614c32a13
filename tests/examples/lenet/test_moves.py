import torch
from torch import nn

from hierprune.benchmarks.lenet5.points import PARAMS, POINTS
from hierprune.benchmarks.lenet5.tidy import count, tidy, trimmed
from hierprune.examples.lenet.data import KNOTS, MoveEach, smoothing
from hierprune.examples.lenet.model import LeNet5


def test_no_move_is_none_and_every_image_moves_its_own_way():
    images = torch.zeros(3, 1, 28, 28)
    images[:, :, 10:18, 12:16] = 1.0
    assert torch.allclose(MoveEach(0, 0, 0)(images), images, atol=1e-5)
    moved = MoveEach()(images)
    assert moved.shape == images.shape
    assert not torch.allclose(moved[0], moved[1], atol=0.1)


def test_a_whole_shift_is_one_of_pixels():
    images = torch.zeros(64, 1, 28, 28)
    images[:, :, 14, 14] = 1.0
    moved = MoveEach(degrees=0, zoom=0, shift=2)(images)
    rows = (moved.sum(3) * torch.arange(28)).sum((1, 2)) / moved.sum((1, 2, 3))
    assert rows.min() >= 12 - 1e-3
    assert rows.max() <= 16 + 1e-3
    assert rows.max() - rows.min() > 2


def sparse_model(share: float) -> LeNet5:
    torch.manual_seed(0)
    model = LeNet5(4, 6, 40)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.masked_fill_(torch.rand_like(parameter) < share, 0.0)
        model.conv1.weight[1] = model.conv2.weight[2] = model.fc1.weight[:5] = 0
        model.conv2.weight[:, 3] = model.fc2.weight[:, 4:9] = 0
        model.fc1.weight[:, 16:32] = 0
    return model


def test_tidying_keeps_the_outputs():
    model, images = sparse_model(0.3), torch.randn(4, 1, 28, 28)
    small = tidy(model)
    assert torch.allclose(small(images), model(images), atol=1e-5)
    assert small.conv1.out_channels == 2
    assert small.conv2.out_channels == 4
    assert small.fc1.out_features == 31
    assert count(small) < count(model)


def test_trimming_meets_a_limit():
    model = sparse_model(0.5)
    whole = count(tidy(model))
    for limit in (whole, whole - 1, whole // 2):
        assert 0.95 * limit <= count(trimmed(model, limit)) <= limit
    assert count(model) > whole


def test_the_points_are_what_their_names_say():
    names = [point.name for point in POINTS]
    for place, point in enumerate(POINTS):
        assert not point.start or point.start in names[:place]
        a, b, h = point.widths
        weights = (25 * a, 25 * a * b, 16 * b * h, 10 * h)
        macs = 576 * weights[0] + 64 * weights[1] + weights[2] + weights[3]
        if "MACs" in point.name:
            assert macs <= (79_000 if "79k" in point.name else 40_000)
        elif "fewer" in point.name:
            assert sum(weights) + a + b + h + 10 <= PARAMS / (2.5 if "2.5x" in point.name else 10)
        elif point.granularity == "weight":
            assert point.name == f"weights {point.fewer:g}x"


def test_bending_moves_every_image_in_its_own_way():
    torch.manual_seed(0)
    images = torch.rand(1, 1, 28, 28).expand(3, -1, -1, -1)
    still = MoveEach(degrees=0, zoom=0, shift=0, bend=1.0)
    moved = still(images)
    assert moved.shape == images.shape
    assert not moved[0].equal(moved[1])
    shifts = still.bent(torch.zeros(2000, 1, 28, 14)) * torch.tensor([14, 28]) / 2  # in pixels
    assert 0.9 < shifts[:, 0, 0].std() < 1.1


def test_bends_are_bicubic_between_the_knots():
    torch.manual_seed(0)
    knots = torch.randn(2, 2, KNOTS, KNOTS)
    own = smoothing(28) @ knots @ smoothing(14).T
    size = (28, 14)
    known = nn.functional.interpolate(knots, size=size, mode="bicubic", align_corners=True)
    assert torch.allclose(own, known, atol=1e-5)
