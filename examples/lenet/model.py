"""LeNet-5, in the widths of Caffe and in those of LeCun et al. 1998."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LeNet5(nn.Module):
    """Two 5 x 5 convolutions, each with max pooling, and two dense layers; ReLU between them.

    The widths of Caffe's ``lenet.prototxt`` (20, 50, 500) give the 431,080 parameters of the
    pruning literature.

    Args:
        conv1: output channels of the first convolution.
        conv2: output channels of the second convolution.
        hidden: neurons of the hidden dense layer.
    """

    def __init__(self, conv1: int = 20, conv2: int = 50, hidden: int = 500) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, conv1, kernel_size=5)
        self.conv2 = nn.Conv2d(conv1, conv2, kernel_size=5)
        self.fc1 = nn.Linear(conv2 * 4 * 4, hidden)
        self.fc2 = nn.Linear(hidden, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 1, 28, 28) to logits (B, 10)."""
        x = torch.relu(nn.functional.max_pool2d(self.conv1(x), 2))  # (B, conv1, 12, 12)
        x = torch.relu(nn.functional.max_pool2d(self.conv2(x), 2))  # (B, conv2, 4, 4)
        x = torch.relu(self.fc1(x.flatten(1)))
        logits: Tensor = self.fc2(x)
        return logits
