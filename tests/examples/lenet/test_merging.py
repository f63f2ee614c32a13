from functools import partial
from pathlib import Path

import torch

from hierprune.benchmarks.lenet5.merging import components, with_components
from hierprune.benchmarks.lenet5.points import Point
from hierprune.benchmarks.lenet5.run import Setting, merged
from hierprune.data.rows import Rows
from hierprune.examples.lenet.model import LeNet5
from hierprune.task import Task

IMAGES = torch.rand(16, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def model() -> LeNet5:
    torch.manual_seed(0)
    return LeNet5(4, 6, 40).eval()


def test_components_are_read_by_nothing_yet():
    wide = with_components(model(), IMAGES, 2)
    assert wide.conv1.out_channels == 6
    assert torch.allclose(wide(IMAGES), model()(IMAGES), atol=1e-5)


def test_components_vary_the_most_and_apart_from_one_another():
    filters = model().conv1.weight.detach()
    found = components(filters, IMAGES, 4)
    assert torch.allclose(found.norm(dim=(2, 3)), filters.norm(dim=(2, 3)).mean().expand(4, 1))
    assert (found.sum(dim=(2, 3)) >= 0).all()
    responses = torch.nn.functional.conv2d(IMAGES, found).movedim(1, 0).flatten(1)
    apart = torch.corrcoef(responses)
    assert torch.allclose(apart, torch.eye(4), atol=1e-3)


def test_one_filter_that_others_are_copies_of_is_the_component():
    first = torch.rand(1, 1, 5, 5, generator=torch.Generator().manual_seed(1))
    found = components(torch.cat([first, -2 * first, 3 * first]), IMAGES, 1)
    assert torch.allclose(found, 2 * first, atol=1e-4)


def test_a_merged_network_has_the_component_alone():
    rows = Rows((IMAGES,), torch.zeros(16, dtype=torch.long), batch=8)
    task = Task("noise", partial(LeNet5, 4, 6, 40), train=rows, val=rows, test=rows)
    point = Point("small", None, "large", widths=(1, 3, 20), merged=True)
    small = merged(model(), task, point, 0, Setting(1.0, Path()))
    assert (small.conv1.out_channels, small.conv2.out_channels, small.fc1.out_features) == (
        1,
        3,
        20,
    )
    expected = components(model().conv1.weight.detach(), IMAGES, 1)
    assert torch.allclose(small.conv1.weight, expected, atol=1e-5)
