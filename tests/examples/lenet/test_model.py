import pytest
import torch

from hierprune.examples.lenet.model import LeNet5


@pytest.mark.parametrize(("widths", "count"), [((), 431_080), ((6, 16, 120), 34_622)])
def test_parameters_and_shapes(widths: tuple[int, ...], count: int):
    model = LeNet5(*widths)
    assert sum(p.numel() for p in model.parameters()) == count
    assert model(torch.randn(3, 1, 28, 28)).shape == (3, 10)
