"""The ways in which models wire, share, slice and reshape."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from .convolutional import conv_bn, head
from .registry import image, sequence, structure, vectors


def mlp(*sizes):
    layers = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


@structure(vectors())
def perceptron():
    return mlp(12, 32, 24, 16, 5)


@structure(vectors())
def perceptron_batch_norm():
    return nn.Sequential(
        nn.Linear(12, 32), nn.BatchNorm1d(32), nn.Tanh(), nn.Dropout(), nn.Linear(32, 5)
    )


@structure(vectors())
def perceptron_rms_norm():
    return nn.Sequential(
        nn.Linear(12, 32), nn.RMSNorm(32), nn.Linear(32, 20), nn.LayerNorm(20), nn.Linear(20, 5)
    )


@structure(lambda: {"image": torch.randn(2, 3, 8, 8), "fields": torch.randn(2, 6)})
class two_inputs_two_heads(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.vision, self.table = nn.Sequential(conv_bn(3, 16), head(16, 12)), mlp(6, 20, 12)
        self.joint, self.kind, self.amount = nn.Linear(24, 28), nn.Linear(28, 4), nn.Linear(28, 1)

    def forward(self, image, fields):
        x = F.relu(self.joint(torch.cat([self.vision(image), self.table(fields)], -1)))
        return {"kind": self.kind(x), "amount": self.amount(x)}


@structure(lambda: [torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8)])
class siamese(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.trunk, self.head = (
            nn.Sequential(conv_bn(3, 12), conv_bn(12, 16), head(16, 10)),
            nn.Linear(10, 1),
        )

    def forward(self, a, b):
        return self.head((self.trunk(a) - self.trunk(b)).abs())


@structure(image())
class reused_module(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.stem, self.block, self.head = conv_bn(3, 16), conv_bn(16, 16), head(16)

    def forward(self, x):
        x = self.stem(x)
        for _ in range(3):
            x = x + self.block(x)
        return self.head(x)


@structure(image())
def frozen_backbone():
    backbone = nn.Sequential(conv_bn(3, 16), conv_bn(16, 24))
    return nn.Sequential(backbone.requires_grad_(False), head(24))


@structure(vectors())
class tied_autoencoder(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.into, self.mid = nn.Linear(12, 24), nn.Linear(24, 16)

    def forward(self, x):
        x = F.relu(self.mid(F.relu(self.into(x))))
        return F.linear(F.linear(x, self.mid.weight.t()).relu(), self.into.weight.t())


@structure(vectors())
class bare_parameters(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.w1, self.b1 = nn.Parameter(torch.randn(24, 12) / 4), nn.Parameter(torch.randn(24))
        self.w2, self.scale = nn.Parameter(torch.randn(24, 5) / 4), nn.Parameter(torch.ones(24))

    def forward(self, x):
        return (F.linear(x, self.w1, self.b1).tanh() * self.scale) @ self.w2


@structure(vectors())
class split_by_attribute(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.sizes = (12, 20)
        self.into, self.a, self.b = nn.Linear(12, 32), nn.Linear(12, 16), nn.Linear(20, 16)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        a, b = torch.split(self.into(x), self.sizes, dim=-1)
        return self.head(torch.relu(self.a(a)) + self.b(b))


@structure(image())
class split_in_parts(nn.Module):  # noqa: N801
    """Res2Net: equal parts, each fed with the one before."""

    def __init__(self):
        super().__init__()
        self.width = 8
        self.stem, self.convs = conv_bn(3, 32), nn.ModuleList(conv_bn(8, 8) for _ in range(3))
        self.out, self.head = conv_bn(32, 24, 1), head(24)

    def forward(self, x):
        parts = torch.split(self.stem(x), self.width, 1)
        outputs, y = [parts[0]], 0
        for part, conv in zip(parts[1:], self.convs, strict=True):
            y = conv(part + y)
            outputs.append(y)
        return self.head(self.out(torch.cat(outputs, 1)))


@structure(image())
class halves_by_slice(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.stem, self.a, self.head = conv_bn(3, 24), conv_bn(12, 16), head(16)

    def forward(self, x):
        x = self.stem(x)
        c = x.shape[1]
        return self.head(self.a(x[:, : c // 2] * torch.sigmoid(x[:, c // 2 :])))


@structure(image())
class ghost(nn.Module):  # noqa: N801
    """GhostNet: cheap features beside the real ones, cut to a number kept as attribute."""

    def __init__(self):
        super().__init__()
        self.stem, self.primary = conv_bn(3, 12), conv_bn(12, 16)
        self.cheap, self.channels = nn.Conv2d(16, 16, 3, padding=1, groups=16), 32
        self.head = head(32)

    def forward(self, x):
        a = self.primary(self.stem(x))
        return self.head(torch.cat([a, self.cheap(a)], 1)[:, : self.channels])


@structure(image())
class view_of_pairs(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.stem, self.after, self.head = conv_bn(3, 32), conv_bn(16, 20), head(20)

    def forward(self, x):
        x = self.stem(x)
        b, c, h, w = x.shape
        return self.head(self.after(x.view(b, 2, c // 2, h, w).sum(1)))


@structure(image(3, 8))
class flatten_permuted(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.conv, self.fc = conv_bn(3, 16), mlp(16 * 64, 32, 5)

    def forward(self, x):
        return self.fc(self.conv(x).permute(0, 2, 3, 1).flatten(1))


@structure(image())
class python_control_flow(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.stem, self.steps, self.head = (
            conv_bn(3, 16),
            nn.ModuleList(conv_bn(16, 16) for _ in range(4)),
            head(16),
        )

    def forward(self, x):
        x = self.stem(x)
        for i, step in enumerate(self.steps):
            y = step(x)
            x = x + y if i % 2 == 0 and y.abs().max() > -1 else torch.maximum(x, y)
        return self.head(x)


@structure(image())
class auxiliary_head(nn.Module):  # noqa: N801
    """A second classifier that only runs while training."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = conv_bn(3, 16), conv_bn(16, 24), head(24)
        self.aux = nn.Sequential(conv_bn(16, 12), head(12))

    def forward(self, x):
        a = self.a(x)
        y = self.head(self.b(a))
        return (y, self.aux(a)) if self.training else y


@structure(image())
class buffers_follow(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.conv, self.after, self.head = nn.Conv2d(3, 16, 3), conv_bn(16, 20), head(20)
        self.register_buffer("gain", torch.rand(16, 1, 1) + 0.5)
        self.register_buffer("gate", torch.arange(16) % 3 > 0)

    def forward(self, x):
        return self.head(self.after(self.conv(x) * self.gain * self.gate[:, None, None]))


@structure(image())
def weight_norm():
    norm = parametrizations.weight_norm
    return nn.Sequential(
        norm(nn.Conv2d(3, 16, 3)),
        nn.ReLU(),
        norm(nn.Conv2d(16, 20, 3)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        norm(nn.Linear(20, 24)),
        nn.ReLU(),
        nn.Linear(24, 5),
    )


@structure(image())
class standardized_weights(nn.Module):  # noqa: N801
    """Kernels normalised over their inputs (NFNet, BiT): the plain layers around can be cut."""

    def __init__(self):
        super().__init__()
        self.stem, self.conv, self.after = (
            conv_bn(3, 16),
            nn.Conv2d(16, 24, 3),
            nn.Conv2d(24, 32, 1),
        )
        self.more, self.head = nn.Conv2d(32, 40, 1), head(40)

    def forward(self, x):
        w = self.conv.weight
        w = (w - w.mean((1, 2, 3), keepdim=True)) / w.std((1, 2, 3), keepdim=True)
        x = F.conv2d(self.stem(x), w, self.conv.bias)
        return self.head(F.relu(self.more(F.relu(self.after(x)))))


@structure(image())
class efficient_channel_attention(nn.Module):  # noqa: N801
    """ECA: a convolution along the channels ties them by neighbourhood; the others can go."""

    def __init__(self):
        super().__init__()
        self.stem, self.gate, self.after = (
            conv_bn(3, 16),
            nn.Conv1d(1, 1, 3, padding=1),
            conv_bn(16, 40),
        )
        self.more, self.head = conv_bn(40, 40), head(40)

    def forward(self, x):
        x = self.stem(x)
        gate = self.gate(x.mean((2, 3)).unsqueeze(1)).squeeze(1).sigmoid()
        return self.head(self.more(self.after(x * gate[:, :, None, None])))


@structure(vectors())
class bilinear_fusion(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.a, self.b, self.fuse = nn.Linear(12, 20), nn.Linear(12, 16), nn.Bilinear(20, 16, 24)
        self.head = nn.Linear(24, 5)

    def forward(self, x):
        return self.head(F.relu(self.fuse(self.a(x), self.b(x))))


@structure(vectors())
class highway(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.embed, self.change, self.gate = nn.Linear(12, 24), nn.Linear(24, 24), nn.Linear(24, 24)
        self.head = nn.Linear(24, 5)

    def forward(self, x):
        x = self.embed(x)
        gate = torch.sigmoid(self.gate(x))
        return self.head(torch.lerp(x, self.change(x).relu(), gate))


@structure(image())
class stochastic_depth(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.stem, self.block, self.head = (
            conv_bn(3, 16),
            nn.Sequential(conv_bn(16, 24), conv_bn(24, 16)),
            head(16),
        )

    def forward(self, x):
        x = self.stem(x)
        y = self.block(x)
        if self.training:
            y = y * x.new_empty((len(x), 1, 1, 1)).bernoulli_(0.8) / 0.8
        return self.head(x + y)


@structure(sequence())
class literal_sizes(nn.Module):  # noqa: N801
    """Sizes written into the forward: what depends on them stays, the rest goes."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(12, 24), nn.Linear(16, 32), nn.Linear(32, 32)
        self.d, self.head = nn.Linear(32, 32), nn.Linear(32, 5)

    def forward(self, x):
        x = self.b(self.a(x)[..., :16]).relu()
        x = self.d(self.c(x).relu())
        return self.head(x + torch.zeros(x.shape[0], 6, 32))


@structure(image(3, 8))
class assigned_slices(nn.Module):  # noqa: N801
    """Features written into parts of a buffer made on the way."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = conv_bn(3, 12), conv_bn(12, 24), head(24)

    def forward(self, x):
        x = self.a(x)
        padded = x.new_zeros(x.shape[0], x.shape[1], 10, 10)
        padded[:, :, 1:-1, 1:-1] = x
        return self.head(self.b(padded))
