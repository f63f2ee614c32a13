"""Channels and neurons that do nothing, folded away: the outputs stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor

from hierprune.examples.lenet.model import LeNet5

LAYERS = ("conv1", "conv2", "fc1", "fc2")


def build(state: Mapping[str, Tensor]) -> LeNet5:
    """The network of these weights, as wide as they are."""
    model = LeNet5(*(len(state[f"{layer}.bias"]) for layer in LAYERS[:-1]))
    model.load_state_dict(state)
    return model


def count(model: LeNet5) -> int:
    """Parameters that are not zero, biases too."""
    return sum(int(p.count_nonzero()) for p in model.parameters())


def tidy(model: LeNet5) -> LeNet5:
    """The network without units that nothing reads or that read nothing.

    What reads nothing is constant (no layer pads its inputs) and moves into the next biases.
    """
    state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    before = -1
    while (size := sum(t.numel() for t in state.values())) != before:
        before = size
        for layer, reader in pairwise(LAYERS):
            fold(state, layer, reader)
    return build(state)


def fold(state: dict[str, Tensor], layer: str, reader: str) -> None:
    """Take the idle units of a layer out of a state dict; one stays where all are."""
    weight, bias, read = state[f"{layer}.weight"], state[f"{layer}.bias"], state[f"{reader}.weight"]
    by_unit = read.reshape(len(read), len(bias), -1)  # (outputs, units, places)
    constant = (weight.flatten(1) == 0).all(dim=1)
    stay = ~(constant | (by_unit == 0).all(dim=2).all(dim=0))
    stay[0] |= ~stay.any()
    gone = constant & ~stay
    moved = by_unit.sum(dim=2)[:, gone] @ bias[gone].relu()
    state[f"{reader}.bias"] = state[f"{reader}.bias"] + moved
    state[f"{layer}.weight"], state[f"{layer}.bias"] = weight[stay], bias[stay]
    kept = by_unit[:, stay]
    state[f"{reader}.weight"] = kept.reshape(len(read), -1, *read.shape[2:])


def trimmed(model: LeNet5, limit: int) -> LeNet5:
    """The network tidied, without as many of its smallest weights as are over a limit of them."""
    model = tidy(model)
    while (over := count(model) - limit) > 0:
        weights = [getattr(model, layer).weight for layer in LAYERS]
        sizes = torch.cat([w.detach().abs().flatten() for w in weights])
        edge = sizes[sizes > 0].kthvalue(over).values
        with torch.no_grad():
            for weight in weights:
                weight.masked_fill_(weight.abs() <= edge, 0.0)
        model = tidy(model)
    return model
