"""Neurons that do nothing, made zeros: the outputs stay as they are, and fewer parameters count."""

from __future__ import annotations

import torch

from hierprune.examples.lenet.model import LeNet5


@torch.no_grad()
def tidy(model: LeNet5) -> None:
    """Empty, in place, hidden neurons that nothing reads or that read nothing.

    A neuron without inputs is a constant: it moves into the biases of the output layer.
    """
    fc1, fc2 = model.fc1, model.fc2
    constant = (fc1.weight == 0).all(dim=1)
    fc2.bias += fc2.weight[:, constant] @ fc1.bias[constant].relu()
    idle = constant | (fc2.weight == 0).all(dim=0)
    fc1.weight[idle] = 0
    fc1.bias[idle] = 0
    fc2.weight[:, idle] = 0
