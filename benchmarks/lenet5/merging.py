"""Few first filters in the place of many: the combinations of them whose responses vary most.

A filter that is kept when the others go was made for a network of many: an edge of one direction,
or the dark beside a stroke. The first component is a blob that sees all strokes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import unfold

from hierprune.examples.lenet.model import LeNet5

from .tidy import build


@torch.no_grad()
def with_components(model: LeNet5, images: Tensor, count: int) -> LeNet5:
    """The network with so many more first filters, behind its own; nothing reads them yet.

    Args:
        model: left as it was.
        images: that filters respond to, (B, 1, H, W).
        count: at most as many as the network has first filters.
    """
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first, bias, second = state["conv1.weight"], state["conv1.bias"], state["conv2.weight"]
    state["conv1.weight"] = torch.cat([first, components(first, images, count)])
    state["conv1.bias"] = torch.cat([bias, bias.new_zeros(count)])
    state["conv2.weight"] = torch.cat([second, torch.zeros_like(second[:, :count])], dim=1)
    return build(state)


def components(filters: Tensor, images: Tensor, count: int) -> Tensor:
    """Principal components of the filters' responses, as filters (count, 1, K, K).

    They are as long as filters are on average, and their elements sum to 0 or more.
    """
    flat = filters.flatten(1)  # (F, K * K)
    patches = unfold(images, filters.shape[2:]).movedim(1, 2).flatten(0, 1)  # (N, K * K)
    responses = ((patches - patches.mean(0)) @ flat.T).double()
    directions = torch.linalg.eigh(responses.T @ responses).eigenvectors  # rising variance
    found = directions[:, -count:].flip(1).T.to(flat.dtype) @ flat
    found = found / found.norm(dim=1, keepdim=True) * flat.norm(dim=1).mean()
    found = found * torch.where(found.sum(1, keepdim=True) < 0, -1.0, 1.0)
    return found.view(count, *filters.shape[1:])
