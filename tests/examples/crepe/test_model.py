import torch

from hierprune.examples.crepe.model import Crepe


def test_parameters_and_shapes():
    model = Crepe()
    assert sum(p.numel() for p in model.parameters()) == 486_552
    assert model(torch.randn(3, 1024)).shape == (3, 360)
    assert model.conv1_BN.eps == model.conv6_BN.eps == 1e-3
