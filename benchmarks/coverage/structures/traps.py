"""Networks written to be cut wrongly: what matters is that none is, not how much goes.

Each takes batches of any size, so that a cut can be checked on inputs unlike those of the trace.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .convolutional import conv_bn, head
from .registry import trap


def image(batch):
    return torch.randn(batch, 3, 16, 16)


def vectors(batch):
    return torch.randn(batch, 12)


def sequence(batch):
    return torch.randn(batch, 6, 16)


class Between(nn.Module):
    """Two linear layers with something between them."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(12, 16), nn.Linear(16, 16), nn.Linear(16, 5)
        self.register_buffer("table", torch.randperm(16))
        self.register_buffer("average", torch.zeros(16))
        self.vector, self.kept = nn.Parameter(torch.randn(16)), None

    def between(self, x):
        return x

    def forward(self, x):
        return self.c(self.b(self.between(self.a(x).relu())).relu())


def between(function):
    """A trap that is :class:`Between` with this function."""

    def build():
        model = Between()
        model.between = function.__get__(model)
        return model

    build.__name__ = function.__name__
    return trap(vectors)(build)


@between
def cumulated_over_units(self, x):
    return x.cumsum(1)


@between
def triangular_matrix(self, x):
    return x @ torch.ones(x.shape[1], x.shape[1], dtype=x.dtype).tril()


@between
def winners_take_all(self, x):
    return x * (x >= x.topk(x.shape[1] // 4, 1).values[:, -1:])


@between
def sorted_units(self, x):
    return x.gather(1, x.argsort(1))


@between
def permuted_units(self, x):
    return x + x.index_select(1, self.table)


@between
def rolled_units(self, x):
    return x + x.roll(1, 1)


@between
def flipped_units(self, x):
    return x + x.flip(1)


@between
def where_by_unit(self, x):
    return torch.where(self.table > 7, x, x.tanh())


@between
def every_other_unit(self, x):
    return torch.cat([x[:, ::2] * x[:, 1::2]] * 2, 1)


@between
def written_units(self, x):
    x = x.clone()
    x[:, 3] = x[:, 3] * 2
    x[:, 5:9].mul_(3).add_(1)
    return x


@between
def written_half(self, x):
    x = x.clone()
    x[:, :8] += x[:, 8:]
    return x


@between
def scattered_units(self, x):
    return x + x.new_zeros(x.shape).scatter_add(1, self.table.expand(len(x), -1), x)


@between
def transformed_units(self, x):
    return torch.fft.fft(x, dim=1).real


@between
def softmax_of_units(self, x):
    return x.softmax(1)


@between
def scaled_by_width(self, x):
    return x * x.shape[1] ** -0.5


@between
def more_when_wide(self, x):
    return x * 2 if x.shape[1] > 9 else x


@between
def decided_by_mean(self, x):
    return x * 2 if x.mean() > 1.1 else x


@between
def decided_by_count(self, x):
    return x * 2 if int((x >= 0).sum()) > 1000 else x


@between
def decided_by_sum(self, x):
    return x * 2 if x.sum() > 9 else x


@between
def rows_by_sum(self, x):
    x = x + self.b(x)[:, :1].expand_as(x)  # a removed unit is no zero here
    return x * (x.sum(1, keepdim=True) > 0)


@between
def decided_outside(self, x):
    return x * 2 if x.detach().numpy().mean() > 1.1 else x


@between
def divided_by_maximum(self, x):
    return x / (1 + x.max().item())


@between
def above_the_mean(self, x):
    return x * (x > x.mean(1, keepdim=True))


@between
def numbered_units(self, x):
    return x + torch.arange(x.shape[1]) / x.shape[1]


@between
def pairs_as_batch(self, x):
    return x.view(-1, 4).softmax(1).view(len(x), -1)


@between
def averages_kept(self, x):
    self.average.mul_(0.9).add_(0.1 * x.mean(0).detach())
    return x - self.average


@between
def outputs_kept(self, x):
    if self.kept is None or len(self.kept) != len(x):
        self.kept = torch.zeros_like(x)
    self.kept = 0.9 * self.kept + x
    return self.kept


@between
def outer_with_itself(self, x):
    return (x[:, :, None] * x[:, None, :]).sum(2) + x * self.vector


@between
def diagonal_of_products(self, x):
    return torch.einsum("bii->bi", torch.einsum("bi,bj->bij", x, self.b(x)))


@between
def matrix_and_vector(self, x):
    return x * self.b.weight.diagonal() + (x[:, :, None] * self.b.weight).sum(1)


class Roll(torch.autograd.Function):
    """Mixes neighbouring units behind PyTorch's back."""

    @staticmethod
    def forward(ctx, x):
        return x.roll(1, 1) + x

    @staticmethod
    def backward(ctx, grad):
        return grad.roll(-1, 1) + grad


@between
def own_function(self, x):
    return Roll.apply(x)


@trap(image)
class literal_view(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.stem, self.conv, self.head = conv_bn(3, 16), conv_bn(16, 16), head(16)

    def forward(self, x):
        x = self.stem(x)
        y = x.view(len(x), 4, 4, 16, 16).sum(2).repeat_interleave(4, 1)
        return self.head(self.conv(x) + y)


@trap(image)
class projected_where_shapes_differ(nn.Module):  # noqa: N801
    """Once both sides were cut to the same width, the dense model's projection is skipped."""

    def __init__(self):
        super().__init__()
        self.stem, self.a, self.b = conv_bn(3, 8), conv_bn(8, 16), conv_bn(16, 16)
        self.project, self.head = nn.Conv2d(8, 16, 1), head(16)

    def forward(self, x):
        x = self.stem(x)
        y = self.b(self.a(x))
        return self.head(y + (x if x.shape == y.shape else self.project(x)))


@trap(image)
class broadcast_over_space(nn.Module):  # noqa: N801
    """As many channels as columns: the gate is added along the wrong one of them."""

    def __init__(self):
        super().__init__()
        self.stem, self.gate, self.head = conv_bn(3, 16), nn.Linear(16, 16), head(16)

    def forward(self, x):
        x = self.stem(x)
        return self.head(x * self.gate(x.mean((2, 3)))[:, None, None, :])


@trap(image)
class neighbours_normalised(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.stem, self.norm = conv_bn(3, 16), nn.LocalResponseNorm(3, alpha=1.0)
        self.conv, self.head = conv_bn(16, 16), head(16)

    def forward(self, x):
        return self.head(self.conv(self.norm(self.stem(x))))


@trap(image)
class scaled_by_hook(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.stem, self.conv, self.head = conv_bn(3, 16), conv_bn(16, 16), head(16)
        self.mixing = torch.rand(16, 16)  # neither parameter nor buffer
        self.stem.register_forward_hook(
            lambda _, __, x: torch.einsum("bchw,dc->bdhw", x, self.mixing.to(x))
        )

    def forward(self, x):
        return self.head(self.conv(self.stem(x)))


@trap(image)
class groups_that_do_not_divide(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 18, 3), nn.GroupNorm(6, 18)
        self.conv, self.head = nn.Conv2d(18, 15, 3), head(15)

    def forward(self, x):
        return self.head(F.group_norm(self.conv(self.norm(self.stem(x)).relu()), 5))


@trap(image)
class weights_from_inputs(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.stem, self.kernels, self.head = conv_bn(3, 8), nn.Linear(8, 8 * 8 * 9), head(8)

    def forward(self, x):
        x = self.stem(x)
        kernels = self.kernels(x.mean((2, 3))).view(len(x) * 8, 8, 3, 3)
        y = F.conv2d(x.reshape(1, -1, 16, 16), kernels, padding=1, groups=len(x))
        return self.head(y.view(len(x), 8, 16, 16))


@trap(sequence)
class heads_counted_twice(nn.Module):  # noqa: N801
    """Heads as literals, softmax over heads beside softmax over positions."""

    def __init__(self):
        super().__init__()
        self.qkv, self.out, self.head = nn.Linear(16, 96), nn.Linear(32, 16), nn.Linear(16, 5)

    def forward(self, x):
        b, t, _ = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, 4, 8).permute(2, 0, 3, 1, 4)
        scores = torch.einsum("bhid,bhjd->bhij", q, k)
        mixed = scores.softmax(1) + scores.softmax(-1)
        y = torch.einsum("bhij,bhjd->bihd", mixed, v).reshape(b, t, 32)
        return self.head(self.out(y) + x)


@trap(sequence)
class positions_by_head(nn.Module):  # noqa: N801
    """ALiBi: the slope of a head follows from its number and from how many there are."""

    def __init__(self):
        super().__init__()
        self.qkv, self.out, self.heads = nn.Linear(16, 96), nn.Linear(32, 16), 4

    def forward(self, x):
        b, t, _ = x.shape
        q, k, v = self.qkv(x).reshape(b, t, 3, self.heads, 8).permute(2, 0, 3, 1, 4)
        slopes = 2.0 ** -(8 / self.heads * torch.arange(1, self.heads + 1, dtype=x.dtype))
        far = (torch.arange(t)[None] - torch.arange(t)[:, None]).abs()
        scores = (q @ k.transpose(-1, -2) + slopes[:, None, None] * far).softmax(-1)
        return self.out((scores @ v).transpose(1, 2).flatten(2)) + x


@trap(sequence)
class scale_by_head_width(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(16, 32), nn.Linear(16, 32), nn.Linear(16, 48)
        self.out = nn.Linear(48, 16)

    def forward(self, x):
        return self.out(F.scaled_dot_product_attention(self.q(x), self.k(x), self.v(x)))


@trap(lambda batch: torch.randn(batch, 16, 16))
class tokens_like_units(nn.Module):  # noqa: N801
    """As many tokens as units, and products over both."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 5)

    def forward(self, x):
        x = self.a(x)
        return self.c(self.b((x @ x.mT).softmax(-1) @ x) + x.mT @ x)


@trap(lambda batch: torch.randn(batch, 16))
class sparse_experts(nn.Module):  # noqa: N801
    """One of six experts per sample: a small example leaves most of them asleep."""

    def __init__(self):
        super().__init__()
        self.into, self.router, self.out = nn.Linear(16, 16), nn.Linear(16, 6), nn.Linear(16, 5)
        self.experts = nn.ModuleList(nn.Linear(16, 16) for _ in range(6))

    def forward(self, x):
        x = self.into(x)
        weight, chosen = self.router(x).softmax(-1).max(-1)
        y = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            rows = torch.where(chosen == number)[0]
            if len(rows):
                y.index_add_(0, rows, expert(x[rows]) * weight[rows, None])
        return self.out(y + x)


@trap(lambda batch: torch.randn(batch, 4, 3, 8, 8))
class literal_state(nn.Module):  # noqa: N801
    """A convolutional GRU whose gates are told apart by a literal."""

    def __init__(self):
        super().__init__()
        self.gates, self.new = nn.Conv2d(15, 24, 3, padding=1), nn.Conv2d(15, 12, 3, padding=1)
        self.head = head(12)

    def forward(self, x):
        h = x.new_zeros(len(x), 12, 8, 8)
        for frame in x.unbind(1):
            gates = self.gates(torch.cat([frame, h], 1)).sigmoid()
            z, r = gates[:, :12], gates[:, 12:]
            h = (1 - z) * h + z * self.new(torch.cat([frame, r * h], 1)).tanh()
        return self.head(h)
