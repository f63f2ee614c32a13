"""Networks off the beaten track: graphs, experts, splines, conditions, memories, state spaces."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from .convolutional import conv_bn, head
from .registry import image, sequence, structure, tokens, vectors


class Splines(nn.Module):
    """A layer of Kolmogorov-Arnold networks: every edge a sum of bumps on a grid."""

    def __init__(self, a, b):
        super().__init__()
        self.register_buffer("grid", torch.linspace(-2, 2, 5))
        self.bumps, self.plain = nn.Parameter(torch.randn(a, b, 5) / a), nn.Linear(a, b)

    def forward(self, x):
        bumps = torch.exp(-((x[..., None] - self.grid) ** 2))
        return torch.einsum("bik,iok->bo", bumps, self.bumps) + self.plain(F.silu(x))


@structure(vectors())
def kolmogorov_arnold():
    return nn.Sequential(Splines(12, 16), Splines(16, 5))


def graph():
    return [torch.randn(10, 12), torch.arange(36).reshape(2, 18) * 7 % 10]


@structure(graph)
class graph_attention(nn.Module):  # noqa: N801
    """Softmax over the edges of every node, several heads."""

    def __init__(self):
        super().__init__()
        self.heads, self.into, self.out = 4, nn.Linear(12, 32, bias=False), nn.Linear(32, 5)
        self.source = nn.Parameter(torch.randn(1, 4, 8))
        self.target = nn.Parameter(torch.randn(1, 4, 8))

    def forward(self, x, edges):
        a, b = edges
        x = self.into(x).view(len(x), self.heads, -1)
        scores = (x * self.source).sum(-1)[a] + (x * self.target).sum(-1)[b]
        weights = F.leaky_relu(scores).exp()
        total = x.new_zeros(x.shape[:2]).index_add(0, b, weights)
        y = x.new_zeros(x.shape).index_add(0, b, x[a] * (weights / total[b])[..., None])
        return self.out(y.flatten(1).relu())


@structure(graph)
class sparse_graph_convolution(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.a, self.b, self.out = nn.Linear(12, 24), nn.Linear(24, 16), nn.Linear(16, 5)

    def forward(self, x, edges):
        matrix = torch.sparse_coo_tensor(edges, x.new_ones(edges.shape[1]), (len(x), len(x)))
        x = torch.sparse.mm(matrix, self.a(x)).relu()
        return self.out(torch.sparse.mm(matrix, self.b(x)).relu())


@structure(sequence())
class experts_in_one_tensor(nn.Module):  # noqa: N801
    """The two best of four experts for every token, all in one batched product."""

    def __init__(self):
        super().__init__()
        self.into, self.gate, self.out = nn.Linear(12, 16), nn.Linear(16, 4), nn.Linear(16, 5)
        self.up = nn.Parameter(torch.randn(4, 16, 24) / 4)
        self.down = nn.Parameter(torch.randn(4, 24, 16) / 5)

    def forward(self, x):
        x = self.into(x)
        rows = x.flatten(0, 1)
        best, chosen = self.gate(rows).softmax(-1).topk(2, -1)
        weights = torch.zeros(len(rows), 4, dtype=x.dtype).scatter(1, chosen, best)
        y = torch.bmm(torch.einsum("nc,ech->enh", rows, self.up).relu(), self.down)
        return self.out((weights.t()[..., None] * y).sum(0).view_as(x) + x)


@structure(lambda: [torch.randn(2, 3, 16, 16), torch.randn(2, 6)])
class conditioned_unet(nn.Module):  # noqa: N801
    """Diffusion: scales and shifts from a condition, attention at the bottom, odd skips."""

    def __init__(self):
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 24, 3, padding=1)
        self.norm, self.condition = nn.GroupNorm(4, 24), nn.Linear(6, 48)
        self.down, self.skip = nn.Conv2d(24, 24, 3, 2, 1), nn.Conv2d(16, 24, 1)
        self.qkv, self.mix = nn.Conv1d(24, 72, 1), nn.Conv1d(24, 24, 1)
        self.up, self.out = nn.Conv2d(48, 16, 3, padding=1), nn.Conv2d(32, 3, 3, padding=1)

    def forward(self, x, condition):
        first = self.stem(x)
        scale, shift = self.condition(condition)[..., None, None].chunk(2, 1)
        second = self.skip(first) + F.silu(self.norm(self.conv(first)) * (1 + scale) + shift)
        y = self.down(second)
        q, k, v = self.qkv(y.flatten(2)).chunk(3, 1)
        y = y + self.mix(v @ (q.mT @ k).softmax(-1).mT).view_as(y)
        y = self.up(torch.cat([F.interpolate(y, scale_factor=2), second], 1))
        return self.out(torch.cat([y, first], 1))


@structure(image())
class kernels_by_sample(nn.Module):  # noqa: N801
    """Every sample has its own mixture of kernels; samples are the groups of one convolution."""

    def __init__(self):
        super().__init__()
        self.stem, self.choice, self.head = conv_bn(3, 16), nn.Linear(16, 4), head(24)
        self.kernels = nn.Parameter(torch.randn(4, 24, 16, 3, 3) / 10)

    def forward(self, x):
        x = self.stem(x)
        b, c, h, w = x.shape
        mixed = torch.einsum("be,eoikl->boikl", self.choice(x.mean((2, 3))), self.kernels)
        y = F.conv2d(x.view(1, b * c, h, w), mixed.flatten(0, 1), padding=1, groups=b)
        return self.head(y.view(b, -1, h, w).relu())


@structure(lambda: [torch.randn(2, 6), torch.randn(2, 12)])
class hypernetwork(nn.Module):  # noqa: N801
    """A network that gives the weights of another."""

    def __init__(self):
        super().__init__()
        self.hyper, self.weights = nn.Linear(6, 20), nn.Linear(20, 8 * 16)
        self.into, self.out = nn.Linear(12, 16), nn.Linear(8, 5)

    def forward(self, condition, x):
        weights = self.weights(self.hyper(condition).relu()).view(-1, 8, 16)
        return self.out((weights @ self.into(x).relu()[..., None])[..., 0].relu())


@structure(sequence())
class retention(nn.Module):  # noqa: N801
    """Heads with a decay each, and a GroupNorm with as many groups as heads."""

    def __init__(self):
        super().__init__()
        self.heads, self.qkv, self.gate = 4, nn.Linear(12, 96, bias=False), nn.Linear(12, 32)
        self.norm, self.out = nn.GroupNorm(4, 32, affine=False), nn.Linear(32, 12)
        self.register_buffer("decay", torch.log(1 - 2.0 ** (-1 - torch.arange(4.0))))

    def forward(self, x):
        b, t, _ = x.shape
        q, k, v = (y.view(b, t, self.heads, -1).transpose(1, 2) for y in self.qkv(x).chunk(3, -1))
        far = torch.arange(t)[:, None] - torch.arange(t)
        decay = (far * self.decay[:, None, None]).exp() * (far >= 0)
        y = (q @ k.transpose(-1, -2) * decay) @ v
        y = self.norm(y.transpose(1, 2).reshape(b * t, -1)).view(b, t, -1)
        return self.out(F.silu(self.gate(x)) * y) + x


@structure(image())
class axial_attention(nn.Module):  # noqa: N801
    """nn.MultiheadAttention along rows; its averaged weights are computed and thrown away."""

    def __init__(self):
        super().__init__()
        self.stem, self.rows = conv_bn(3, 16), nn.MultiheadAttention(16, 4, batch_first=True)
        self.up, self.down, self.head = nn.Conv2d(16, 40, 1), nn.Conv2d(40, 16, 1), head(16)

    def forward(self, x):
        x = self.stem(x)
        b, c, h, w = x.shape
        y = x.permute(0, 2, 3, 1).reshape(b * h, w, c)
        x = x + self.rows(y, y, y)[0].reshape(b, h, w, c).permute(0, 3, 1, 2)
        return self.head(x + self.down(self.up(x).relu()))


@structure(lambda: [torch.randn(2, 6, 12), torch.tensor([[False] * 6, [False] * 4 + [True] * 2])])
class padded_sequences(nn.Module):  # noqa: N801
    """nn.TransformerEncoder with padding, for which PyTorch packs tokens into nested tensors."""

    def __init__(self):
        super().__init__()
        self.into, self.out = nn.Linear(12, 16), nn.Linear(16, 5)
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), 2
        )

    def forward(self, x, padding):
        x = self.encoder(self.into(x), src_key_padding_mask=padding)
        return self.out(x * ~padding[..., None])


@structure(lambda: [torch.randn(2, 5, 12), torch.randn(2, 4, 10), torch.randn(2, 4, 14)])
class attention_of_three_widths(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(12, 16), nn.Linear(10, 40), nn.Linear(14, 40)
        self.attention = nn.MultiheadAttention(
            16, 4, kdim=40, vdim=40, add_bias_kv=True, add_zero_attn=True, batch_first=True
        )
        self.out = nn.Linear(16, 5)

    def forward(self, q, k, v):
        y, weights = self.attention(self.q(q), self.k(k), self.v(v))
        return self.out(y), weights


@structure(sequence())
class learned_queries(nn.Module):  # noqa: N801
    """A recurrent layer pooled by queries, whose answers are flattened."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(12, 16, nonlinearity="relu", batch_first=True)
        self.queries, self.out = nn.Parameter(torch.randn(3, 16)), nn.Linear(48, 5)

    def forward(self, x):
        h, _ = self.rnn(x)
        return self.out(((self.queries @ h.mT).softmax(-1) @ h).flatten(1))


@structure(lambda: [torch.randn(2, 6, 12), torch.tensor([6, 4])])
class packed_sequences(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.into, self.out = nn.Linear(12, 10), nn.Linear(32, 5)
        self.rnn = nn.GRU(10, 16, 2, batch_first=True, bidirectional=True)

    def forward(self, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(self.into(x), lengths, batch_first=True)
        y, h = self.rnn(packed)
        y, _ = nn.utils.rnn.pad_packed_sequence(y, batch_first=True)
        return self.out(torch.cat([h[-2], h[-1]], 1)), self.out(y.amax(1))


@structure(sequence())
class state_space(nn.Module):  # noqa: N801
    """S4D: a complex kernel per channel, applied by Fourier transforms."""

    def __init__(self):
        super().__init__()
        self.into, self.mix, self.out = nn.Linear(12, 16), nn.Conv1d(16, 32, 1), nn.Linear(16, 5)
        self.real, self.imaginary = (
            nn.Parameter(torch.randn(16, 4)),
            nn.Parameter(torch.randn(16, 4)),
        )
        self.read, self.skip = nn.Parameter(torch.randn(16, 4, 2)), nn.Parameter(torch.randn(16))

    def forward(self, x):
        x = self.into(x).mT
        n = x.shape[-1]
        poles = torch.complex(-self.real.exp(), self.imaginary)
        powers = torch.exp(poles[..., None] * torch.arange(n).to(x))
        kernel = torch.einsum("hn,hnl->hl", torch.view_as_complex(self.read), powers).real
        y = torch.fft.rfft(x, n=2 * n) * torch.fft.rfft(kernel, n=2 * n)
        y = torch.fft.irfft(y, n=2 * n)[..., :n] + x * self.skip[:, None]
        return self.out(F.glu(self.mix(F.gelu(y)), 1).mean(-1))


@structure(sequence())
class vector_quantiser(nn.Module):  # noqa: N801
    """The nearest entry of a codebook in the place of every vector."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 8))
        self.codes = nn.Embedding(10, 8)
        self.decoder = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 12))

    def forward(self, x):
        z = self.encoder(x)
        rows, codes = z.flatten(0, 1), self.codes.weight
        far = rows.pow(2).sum(1, keepdim=True) - 2 * rows @ codes.t() + codes.pow(2).sum(1)
        nearest = self.codes(far.argmin(1)).view_as(z)
        return self.decoder(z + (nearest - z).detach())


@structure(vectors())
class fixed_point(nn.Module):  # noqa: N801
    """A layer applied until its output stays: the norm of a change decides."""

    def __init__(self):
        super().__init__()
        self.into, self.step, self.out = nn.Linear(12, 16), nn.Linear(16, 16), nn.Linear(16, 5)

    def forward(self, x):
        x = self.into(x)
        z = torch.zeros_like(x)
        for _ in range(30):
            last, z = z, (0.1 * self.step(z) + x).tanh()
            if (z - last).norm() < 1e-3 * (1 + z.norm()):
                break
        return self.out(z)


@structure(image())
def spectral_norm():
    spectral = parametrizations.spectral_norm
    return nn.Sequential(
        spectral(nn.Conv2d(3, 16, 3)),
        nn.LeakyReLU(),
        spectral(nn.Conv2d(16, 24, 3)),
        nn.LeakyReLU(),
        head(24),
    )


@structure(tokens())
def bag_of_words():
    return nn.Sequential(nn.EmbeddingBag(30, 16), nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 5))
