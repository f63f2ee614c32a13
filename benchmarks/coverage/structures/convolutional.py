"""Convolutional networks of the kinds found in the wild."""

import torch
import torch.nn.functional as F
from torch import nn

from .registry import image, structure


def head(channels, classes=7):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def conv_bn(a, b, k=3, **options):
    return nn.Sequential(
        nn.Conv2d(a, b, k, padding=k // 2, bias=False, **options), nn.BatchNorm2d(b), nn.ReLU()
    )


class Residual(nn.Module):
    def __init__(self, inner, shortcut=None):
        super().__init__()
        self.inner, self.shortcut = inner, shortcut or nn.Identity()

    def forward(self, x):
        return self.inner(x) + self.shortcut(x)


@structure(image(1, 28))
class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(torch.tanh(self.conv1(x)), 2)
        x = F.max_pool2d(torch.tanh(self.conv2(x)), 2)
        x = x.view(x.size(0), -1)
        return self.fc3(torch.tanh(self.fc2(torch.tanh(self.fc1(x)))))


@structure(image())
def vgg():
    return nn.Sequential(
        conv_bn(3, 16),
        conv_bn(16, 16),
        nn.MaxPool2d(2),
        conv_bn(16, 32),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 16, 64),
        nn.ReLU(True),
        nn.Dropout(),
        nn.Linear(64, 7),
    )


@structure(image())
def resnet_basic():
    def block(a, b, stride=1):
        inner = nn.Sequential(
            conv_bn(a, b, stride=stride), nn.Conv2d(b, b, 3, padding=1), nn.BatchNorm2d(b)
        )
        down = nn.Sequential(nn.Conv2d(a, b, 1, stride), nn.BatchNorm2d(b)) if a != b else None
        return nn.Sequential(Residual(inner, down), nn.ReLU(inplace=True))

    return nn.Sequential(conv_bn(3, 16), block(16, 16), block(16, 24, 2), block(24, 24), head(24))


@structure(image())
def resnet_bottleneck():
    def block(a, width, b):
        inner = nn.Sequential(conv_bn(a, width, 1), conv_bn(width, width), nn.Conv2d(width, b, 1))
        return Residual(inner, nn.Conv2d(a, b, 1) if a != b else None)

    return nn.Sequential(conv_bn(3, 16), block(16, 8, 32), nn.ReLU(), block(32, 8, 32), head(32))


@structure(image())
def resnet_preactivation():
    def block(a):
        return Residual(
            nn.Sequential(nn.BatchNorm2d(a), nn.ReLU(), conv_bn(a, 12), nn.Conv2d(12, a, 1))
        )

    return nn.Sequential(nn.Conv2d(3, 16, 3), block(16), block(16), nn.BatchNorm2d(16), head(16))


@structure(image())
class resnet_padded_shortcut(nn.Module):  # noqa: N801
    """Option A of He et al. 2015: strided identity, missing channels are zeros."""

    def __init__(self):
        super().__init__()
        self.stem, self.inner = (
            conv_bn(3, 16),
            nn.Sequential(conv_bn(16, 32, stride=2), conv_bn(32, 32)),
        )
        self.head = head(32)

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.inner(x) + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 8, 8)))


@structure(image())
class densenet(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(12 + 8 * i), nn.ReLU(), nn.Conv2d(12 + 8 * i, 8, 3, padding=1)
            )
            for i in range(3)
        )
        self.transition, self.head = conv_bn(36, 18, 1), head(18)

    def forward(self, x):
        features = [self.stem(x)]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        return self.head(self.transition(torch.cat(features, 1)))


@structure(image())
def depthwise_separable():
    return nn.Sequential(
        conv_bn(3, 16),
        conv_bn(16, 16, groups=16),
        conv_bn(16, 32, 1),
        nn.Conv2d(32, 32, 3, groups=32),
        nn.Hardswish(True),
        nn.Conv2d(32, 24, 1),
        head(24),
    )


class SqueezeExcite(nn.Module):
    def __init__(self, channels, inner):
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(channels, inner, 1), nn.Conv2d(inner, channels, 1)

    def forward(self, x):
        scale = self.expand(F.relu(self.reduce(x.mean((2, 3), keepdim=True))))
        return x * F.hardsigmoid(scale)


@structure(image())
def inverted_residual_se():
    def block(a, wide):
        return Residual(
            nn.Sequential(
                conv_bn(a, wide, 1),
                conv_bn(wide, wide, groups=wide),
                SqueezeExcite(wide, 8),
                nn.Conv2d(wide, a, 1),
            )
        )

    return nn.Sequential(conv_bn(3, 12), block(12, 36), block(12, 36), conv_bn(12, 40, 1), head(40))


@structure(image())
def squeeze_excite_linear():
    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Sequential(nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 16), nn.Sigmoid())

        def forward(self, x):
            b, c = x.shape[:2]
            return x * self.fc(F.adaptive_avg_pool2d(x, 1).view(b, c)).view(b, c, 1, 1).expand_as(x)

    return nn.Sequential(conv_bn(3, 16), Gate(), conv_bn(16, 20), head(20))


@structure(image())
class channel_shuffle(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.stem = conv_bn(3, 16)
        self.a, self.b = nn.Conv2d(16, 24, 1, groups=4), nn.Conv2d(24, 16, 3, groups=4)
        self.head = head(16)

    def forward(self, x):
        x = self.a(self.stem(x))
        b, c, h, w = x.shape
        x = x.view(b, 4, c // 4, h, w).transpose(1, 2).reshape(b, c, h, w)
        return self.head(self.b(x))


@structure(image())
class shuffle_unit(nn.Module):  # noqa: N801
    """ShuffleNet v2: half of the channels pass, half are convolved, then the halves are mixed."""

    def __init__(self):
        super().__init__()
        self.stem, self.branch, self.head = (
            conv_bn(3, 24),
            nn.Sequential(conv_bn(12, 12), conv_bn(12, 12)),
            head(24),
        )

    def forward(self, x):
        a, b = self.stem(x).chunk(2, dim=1)
        x = torch.cat([a, self.branch(b)], 1)
        return self.head(F.channel_shuffle(x, 2))


@structure(image())
class inception(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.stem = conv_bn(3, 16)
        self.a, self.b = conv_bn(16, 8, 1), nn.Sequential(conv_bn(16, 10, 1), conv_bn(10, 12))
        self.c = nn.Sequential(nn.MaxPool2d(3, 1, 1), conv_bn(16, 6, 1))
        self.head = head(26)

    def forward(self, x):
        x = self.stem(x)
        return self.head(torch.cat([self.a(x), self.b(x), self.c(x)], dim=1))


@structure(image())
class unet(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.down1, self.down2, self.middle = conv_bn(3, 12), conv_bn(12, 16), conv_bn(16, 24)
        self.up2, self.fuse2 = nn.ConvTranspose2d(24, 16, 2, 2), conv_bn(32, 16)
        self.fuse1, self.out = conv_bn(28, 12), nn.Conv2d(12, 2, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.up2(self.middle(F.max_pool2d(b, 2)))
        b = self.fuse2(torch.cat([b, c], 1))
        b = F.interpolate(b, scale_factor=2, mode="bilinear")
        return self.out(self.fuse1(torch.cat([a, b], 1)))


@structure(image())
class feature_pyramid(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.c2, self.c3, self.c4 = (
            conv_bn(3, 12),
            conv_bn(12, 16, stride=2),
            conv_bn(16, 24, stride=2),
        )
        self.lateral = nn.ModuleList(nn.Conv2d(c, 14, 1) for c in (12, 16, 24))
        self.out = nn.Conv2d(14, 5, 3, padding=1)

    def forward(self, x):
        c2 = self.c2(x)
        c3 = self.c3(c2)
        levels = [layer(c) for layer, c in zip(self.lateral, (c2, c3, self.c4(c3)), strict=True)]
        for i in (1, 0):
            levels[i] = levels[i] + F.interpolate(levels[i + 1], size=levels[i].shape[-2:])
        return [self.out(level) for level in levels]


@structure(lambda: torch.randn(2, 4, 32))
def conv1d():
    return nn.Sequential(
        nn.Conv1d(4, 12, 5),
        nn.BatchNorm1d(12),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(12, 18, 3),
        nn.GELU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(18, 4),
    )


@structure(lambda: torch.randn(2, 2, 6, 8, 8))
def conv3d():
    return nn.Sequential(
        nn.Conv3d(2, 8, 3, padding=1),
        nn.BatchNorm3d(8),
        nn.ReLU(),
        nn.MaxPool3d(2),
        nn.Conv3d(8, 12, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(12, 4),
    )


@structure(image())
def grouped():
    return nn.Sequential(
        conv_bn(3, 16),
        conv_bn(16, 32, groups=4),
        conv_bn(32, 24, 1),
        Residual(conv_bn(24, 24, groups=2)),
        head(24),
    )


@structure(image())
def depthwise_multiplier():
    return nn.Sequential(
        conv_bn(3, 12), nn.Conv2d(12, 24, 3, groups=12), nn.ReLU(), conv_bn(24, 16, 1), head(16)
    )


@structure(image())
def transposed_grouped():
    return nn.Sequential(
        conv_bn(3, 16),
        nn.ConvTranspose2d(16, 24, 2, 2, groups=4),
        nn.BatchNorm2d(24),
        conv_bn(24, 10),
        head(10),
    )


@structure(image())
def transposed_depthwise():
    return nn.Sequential(
        conv_bn(3, 12), nn.ConvTranspose2d(12, 12, 3, 2, groups=12), conv_bn(12, 10, 1), head(10)
    )
