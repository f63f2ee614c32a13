"""Normalisations, gates and other dealings with channels in convolutional networks."""

import torch
import torch.nn.functional as F
from torch import nn

from .convolutional import conv_bn, head
from .registry import image, structure


@structure(image())
def pixel_shuffle():
    return nn.Sequential(
        conv_bn(3, 16), nn.Conv2d(16, 32, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(8, 3, 3)
    )


@structure(image())
def pixel_unshuffle():
    return nn.Sequential(conv_bn(3, 8), nn.PixelUnshuffle(2), conv_bn(32, 16), head(16))


@structure(image())
def group_norm():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3),
        nn.GroupNorm(4, 16),
        nn.SiLU(),
        nn.Conv2d(16, 24, 3),
        nn.GroupNorm(1, 24),
        head(24),
    )


@structure(image())
def instance_norm():
    return nn.Sequential(
        nn.Conv2d(3, 12, 3),
        nn.InstanceNorm2d(12, affine=True, track_running_stats=True),
        nn.ReLU(),
        nn.Conv2d(12, 16, 3),
        nn.InstanceNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 8, 3),
        head(8),
    )


@structure(image())
class convnext(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 2, 2)
        self.depthwise, self.norm = nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.LayerNorm(16)
        self.up, self.down = nn.Linear(16, 48), nn.Linear(48, 16)
        self.scale, self.head = nn.Parameter(1e-6 * torch.ones(16, 1, 1)), head(16)

    def forward(self, x):
        x = self.stem(x)
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.down(F.gelu(self.up(y))).permute(0, 3, 1, 2)
        return self.head(x + y * self.scale)


@structure(image())
def prelu():
    return nn.Sequential(
        nn.Conv2d(3, 12, 3), nn.PReLU(12), nn.Conv2d(12, 16, 3), nn.PReLU(), head(16)
    )


@structure(image())
class channel_attention(nn.Module):  # noqa: N801
    """CBAM: a shared gate on pooled channels, then a map over space."""

    def __init__(self):
        super().__init__()
        self.stem, self.after = conv_bn(3, 16), conv_bn(16, 20)
        self.gate = nn.Sequential(nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 16))
        self.space, self.head = nn.Conv2d(1, 1, 3, padding=1), head(20)

    def forward(self, x):
        x = self.stem(x)
        gate = self.gate(x.mean((2, 3))) + self.gate(x.amax((2, 3)))
        x = x * torch.sigmoid(gate)[:, :, None, None]
        y = self.after(x)
        return self.head(y * torch.sigmoid(self.space(y.sum(1, keepdim=True))))


@structure(image())
class maxout(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.conv, self.after, self.head = nn.Conv2d(3, 32, 3), conv_bn(16, 20), head(20)

    def forward(self, x):
        x = self.conv(x)
        a, b = x.chunk(2, 1)
        return self.head(self.after(torch.max(a, b)))


@structure(lambda: torch.randn(2, 3, 32))
class wavenet(nn.Module):  # noqa: N801
    """Dilated, gated convolutions with residual and skip sums."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv1d(3, 12, 1)
        self.gates = nn.ModuleList(
            nn.Conv1d(12, 32, 3, padding=2**i, dilation=2**i) for i in range(3)
        )
        self.residual = nn.ModuleList(nn.Conv1d(16, 12, 1) for _ in range(3))
        self.skip = nn.ModuleList(nn.Conv1d(16, 18, 1) for _ in range(3))
        self.out = nn.Conv1d(18, 4, 1)

    def forward(self, x):
        x, skips = self.stem(x), 0
        for gate, residual, skip in zip(self.gates, self.residual, self.skip, strict=True):
            filtered, opened = gate(x).chunk(2, 1)
            y = torch.tanh(filtered) * torch.sigmoid(opened)
            x, skips = x + residual(y), skips + skip(y)
        return self.out(F.relu(skips))
