"""ResNet-20 for small grey images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTHS = (16, 32, 64)
BLOCKS = 3  # per stage; 6 * 3 + 2 layers with weights


class Block(nn.Module):
    """Two 3 x 3 convolutions with BatchNorm, and a shortcut around them.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        stride: of the first convolution; where it is not 1 the shortcut is a 1 x 1 convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet20(nn.Module):
    """Three stages of three blocks, 16, 32 and 64 wide: 272,186 parameters.

    He et al. 2016, arXiv:1512.03385, section 4.2, with projection shortcuts (option B there), and
    with a stem of stride 2 that makes a 28 x 28 image cost 8.52 M multiply-accumulates.
    """

    def __init__(self) -> None:
        super().__init__()
        stem = WIDTHS[0]
        self.conv = nn.Conv2d(1, stem, 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(stem)
        self.stage1 = stage(stem, WIDTHS[0], stride=1)
        self.stage2 = stage(WIDTHS[0], WIDTHS[1], stride=2)
        self.stage3 = stage(WIDTHS[1], WIDTHS[2], stride=2)
        self.fc = nn.Linear(WIDTHS[2], 10)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 1, 28, 28) to logits (B, 10)."""
        x = torch.relu(self.bn(self.conv(x)))  # (B, 16, 14, 14)
        x = self.stage3(self.stage2(self.stage1(x)))  # (B, 64, 4, 4)
        logits: Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits


def stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Blocks of one width, the first of which may halve the image."""
    first = Block(inputs, outputs, stride)
    return nn.Sequential(first, *(Block(outputs, outputs, 1) for _ in range(BLOCKS - 1)))
