"""CREPE: from a frame of sound to probabilities of pitches."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FRAME = 1024  # samples at 16 kHz
BINS = 360  # of pitch, 20 cents apart
WIDTHS = (1, 128, 16, 16, 16, 32, 64)
PADDINGS = ((254, 254), *[(31, 32)] * 5)  # zeros above and below, as TensorFlow's "same"


class Crepe(nn.Module):
    """Six convolutions, each with ReLU, BatchNorm and max pooling, and a dense layer.

    The size called tiny, 486,552 parameters, with the module names of torchcrepe. Kim et al. 2018,
    arXiv:1802.06182, section 2.1.
    """

    def __init__(self) -> None:
        super().__init__()
        for i, (inputs, outputs) in enumerate(pairwise(WIDTHS), start=1):
            kernel, stride = (512, 4) if i == 1 else (64, 1)
            convolution = nn.Conv2d(inputs, outputs, (kernel, 1), (stride, 1))
            self.add_module(f"conv{i}", convolution)
            self.add_module(f"conv{i}_BN", nn.BatchNorm2d(outputs, eps=1e-3))
        self.classifier = nn.Linear(WIDTHS[-1] * 4, BINS)

    def forward(self, frames: Tensor) -> Tensor:
        """Normalised frames (B, 1024) to logits of every bin (B, 360)."""
        x = frames[:, None, :, None]  # (B, 1, samples, 1)
        for i, padding in enumerate(PADDINGS, start=1):
            x = torch.relu(self.get_submodule(f"conv{i}")(F.pad(x, (0, 0, *padding))))
            x = F.max_pool2d(self.get_submodule(f"conv{i}_BN")(x), (2, 1))
        logits: Tensor = self.classifier(x.transpose(1, 2).flatten(1))  # (B, 4 * channels)
        return logits
