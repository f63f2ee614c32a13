import torch

from hierprune import inspect
from hierprune.examples.resnet.model import ResNet20


def test_parameters_and_shapes():
    model = ResNet20()
    assert sum(p.numel() for p in model.parameters()) == 272_186
    assert model(torch.randn(3, 1, 28, 28)).shape == (3, 10)
    weighted = [m for m in model.modules() if hasattr(m, "weight") and m.weight.dim() > 1]
    assert len(weighted) == 20 + 2  # and the two convolutions of shortcuts


def test_multiply_accumulates():
    tree = inspect(ResNet20().eval(), torch.zeros(1, 1, 28, 28))
    convolved = sum(t.macs for t in tree.tensors if len(t.shape) > 1)
    assert convolved == 8_523_968
