import torch
from torch import nn

from hierprune.benchmarks.lenet5.points import POINTS
from hierprune.benchmarks.lenet5.tidy import tidy
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


def test_tidying_keeps_the_outputs():
    torch.manual_seed(0)
    model, images = LeNet5(), torch.randn(4, 1, 28, 28)
    with torch.no_grad():
        for layer in (model.fc1, model.fc2):
            layer.weight.masked_fill_(torch.rand_like(layer.weight) < 0.5, 0.0)
        model.fc1.weight[:50] = 0
        model.fc2.weight[:, 40:90] = 0
        before, count = model(images), alive(model)
        tidy(model)
        assert torch.allclose(model(images), before, atol=1e-5)
    assert alive(model) < count
    assert not model.fc1.bias[:90].any()


def alive(model: nn.Module) -> int:
    return sum(int(p.count_nonzero()) for p in model.parameters())


def test_the_points_are_what_their_names_say():
    for point in POINTS:
        a, b, h = point.widths
        weights = {"conv1": 25 * a, "conv2": 25 * a * b, "fc1": 16 * b * h, "fc2": 10 * h}
        kept = sum(round(point.density.get(n, 1.0) * w) for n, w in weights.items())
        macs = weights["conv1"] * 576 + weights["conv2"] * 64 + weights["fc1"] + weights["fc2"]
        if "MACs" in point.name:
            assert macs <= (79_000 if "79k" in point.name else 40_000)
        elif "fewer" in point.name:
            assert kept + a + b + h + 10 <= 431_080 / (2.5 if "2.5x" in point.name else 10)
        elif point.granularity == "weight":
            assert kept <= 431_080 / int(point.name.split()[1].removesuffix("x"))


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
