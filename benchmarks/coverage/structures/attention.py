"""Attention and its relatives, in the spellings of several libraries."""

import torch
import torch.nn.functional as F
from torch import nn

from .registry import image, sequence, structure, tokens


class Head(nn.Module):
    """Mean over positions, then a classifier."""

    def __init__(self, width, classes=5):
        super().__init__()
        self.fc = nn.Linear(width, classes)

    def forward(self, x):
        return self.fc(x.mean(1))


class Block(nn.Module):
    """A pre-norm transformer block around some attention."""

    def __init__(self, width, attention, hidden=40):
        super().__init__()
        self.norm1, self.attention, self.norm2 = nn.LayerNorm(width), attention, nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class FusedAttention(nn.Module):
    """One matrix for query, key and value (timm)."""

    def __init__(self, width, heads):
        super().__init__()
        self.num_heads, self.scale = heads, (width // heads) ** -0.5
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        b, n, _ = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        scores = (q @ k.transpose(-2, -1)) * self.scale
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, n, -1))


class SeparateAttention(nn.Module):
    """Three matrices, sizes kept as attributes (BERT)."""

    def __init__(self, width, heads, inner=None):
        super().__init__()
        self.num_attention_heads, self.all_head_size = heads, inner or width
        self.attention_head_size = self.all_head_size // heads
        self.query, self.key = (
            nn.Linear(width, self.all_head_size),
            nn.Linear(width, self.all_head_size),
        )
        self.value, self.out = (
            nn.Linear(width, self.all_head_size),
            nn.Linear(self.all_head_size, width),
        )

    def split(self, x):
        shape = (*x.shape[:-1], self.num_attention_heads, self.attention_head_size)
        return x.view(shape).permute(0, 2, 1, 3)

    def forward(self, x):
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        y = F.scaled_dot_product_attention(q, k, v).permute(0, 2, 1, 3).contiguous()
        return self.out(y.view((*y.shape[:2], self.all_head_size)))


class Rotary(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.register_buffer("inv_freq", 1 / 100 ** (torch.arange(0, dim, 2) / dim))

    def forward(self, n):
        angles = torch.outer(torch.arange(n).to(self.inv_freq), self.inv_freq)
        angles = torch.cat([angles, angles], -1)
        return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


class GroupedQueryAttention(nn.Module):
    """Llama: rotary positions, fewer key / value heads than query heads."""

    def __init__(self, width, heads, shared):
        super().__init__()
        self.head_dim, self.groups = width // heads, heads // shared
        self.q_proj, self.o_proj = (
            nn.Linear(width, width, bias=False),
            nn.Linear(width, width, bias=False),
        )
        self.k_proj = nn.Linear(width, shared * self.head_dim, bias=False)
        self.v_proj = nn.Linear(width, shared * self.head_dim, bias=False)
        self.rotary = Rotary(self.head_dim)

    def forward(self, x):
        b, n, _ = x.shape
        q, k, v = (
            p(x).view(b, n, -1, self.head_dim).transpose(1, 2)
            for p in (self.q_proj, self.k_proj, self.v_proj)
        )
        cos, sin = self.rotary(n)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        k, v = (t[:, :, None].expand(-1, -1, self.groups, -1, -1).flatten(1, 2) for t in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(b, n, -1))


class SwiGLU(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.gate, self.up = (
            nn.Linear(width, hidden, bias=False),
            nn.Linear(width, hidden, bias=False),
        )
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


class RMSNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


@structure(sequence())
class multihead_attention(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.embed, self.attention = (
            nn.Linear(12, 32),
            nn.MultiheadAttention(32, 4, batch_first=True),
        )
        self.head = Head(32)

    def forward(self, x):
        x = self.embed(x)
        return self.head(x + self.attention(x, x, x, need_weights=False)[0])


@structure(sequence())
def transformer_encoder():
    layer = nn.TransformerEncoderLayer(32, 4, 48, batch_first=True, norm_first=True)
    return nn.Sequential(
        nn.Linear(12, 32), nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), Head(32)
    )


@structure(lambda: {"source": torch.randn(2, 6, 12), "target": torch.randn(2, 4, 12)})
class encoder_decoder(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(12, 32)
        self.transformer = nn.Transformer(32, 4, 1, 1, 48, batch_first=True)
        self.out = nn.Linear(32, 5)

    def forward(self, source, target):
        return self.out(self.transformer(self.embed(source), self.embed(target)))


@structure(image())
class vision_transformer(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.patch, self.cls = nn.Conv2d(3, 32, 4, 4), nn.Parameter(torch.zeros(1, 1, 32))
        self.position = nn.Parameter(torch.randn(1, 17, 32))
        self.blocks = nn.Sequential(*(Block(32, FusedAttention(32, 4)) for _ in range(2)))
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


@structure(tokens())
class bert(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.words, self.positions = nn.Embedding(30, 32), nn.Embedding(8, 32)
        self.register_buffer("ids", torch.arange(8)[None])
        self.norm = nn.LayerNorm(32)
        self.layers = nn.ModuleList(Block(32, SeparateAttention(32, 4)) for _ in range(2))
        self.head = Head(32)

    def forward(self, x):
        x = self.norm(self.words(x) + self.positions(self.ids[:, : x.shape[1]]))
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


@structure(sequence())
def attention_with_inner_width():
    return nn.Sequential(nn.Linear(12, 24), Block(24, SeparateAttention(24, 4, 64)), Head(24))


@structure(tokens())
class llama(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(30, 32)
        self.norms = nn.ModuleList(RMSNorm(32) for _ in range(5))
        self.attention = nn.ModuleList(GroupedQueryAttention(32, 8, 2) for _ in range(2))
        self.mlp = nn.ModuleList(SwiGLU(32, 48) for _ in range(2))
        self.head = nn.Linear(32, 30, bias=False)
        self.head.weight = self.words.weight

    def forward(self, x):
        x = self.words(x)
        for i in range(2):
            x = x + self.attention[i](self.norms[2 * i](x))
            x = x + self.mlp[i](self.norms[2 * i + 1](x))
        return self.head(self.norms[4](x))


@structure(image(16, 8))
class window_attention(nn.Module):  # noqa: N801
    """Swin: attention inside 4 x 4 windows with a table of relative positions."""

    def __init__(self):
        super().__init__()
        self.embed, self.norm = nn.Conv2d(16, 32, 1), nn.LayerNorm(32)
        self.heads, self.qkv, self.proj = 4, nn.Linear(32, 96), nn.Linear(32, 32)
        self.table = nn.Parameter(torch.randn(49, 4))
        grid = torch.stack(torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")).flatten(
            1
        )
        offset = grid[:, :, None] - grid[:, None] + 3
        self.register_buffer("index", offset[0] * 7 + offset[1])
        self.head = Head(32)

    def forward(self, x):
        x = self.embed(x).permute(0, 2, 3, 1)
        b, h, w, c = x.shape
        y = torch.roll(self.norm(x), (-2, -2), (1, 2))
        y = y.view(b, h // 4, 4, w // 4, 4, c).transpose(2, 3).reshape(-1, 16, c)
        qkv = self.qkv(y).view(y.shape[0], 16, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        bias = self.table[self.index.view(-1)].view(16, 16, -1).permute(2, 0, 1)
        scores = q @ k.transpose(-2, -1) * 0.35 + bias
        y = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        y = self.proj(y).view(b, h // 4, w // 4, 4, 4, -1).transpose(2, 3).reshape(b, h, w, -1)
        return self.head((x + torch.roll(y, (2, 2), (1, 2))).flatten(1, 2))


@structure(sequence())
class einsum_attention(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(12, 24)
        self.q, self.k = nn.Linear(24, 32), nn.Linear(24, 32)
        self.v, self.o = nn.Linear(24, 32), nn.Linear(32, 24)
        self.heads, self.head = 4, Head(24)

    def forward(self, x):
        x = self.embed(x)
        q, k, v = (p(x).unflatten(-1, (self.heads, -1)) for p in (self.q, self.k, self.v))
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k).softmax(-1)
        y = torch.einsum("bhqk,bkhd->bqhd", scores, v)
        return self.head(x + self.o(y.flatten(2)))


@structure(sequence())
class single_head_attention(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(12, 20), nn.Linear(12, 20), nn.Linear(12, 24)
        self.head = Head(24)

    def forward(self, x):
        scores = torch.bmm(self.q(x), self.k(x).transpose(1, 2)) * 0.2
        return self.head(torch.bmm(scores.softmax(-1), self.v(x)))


@structure(sequence())
class latent_cross_attention(nn.Module):  # noqa: N801
    """Perceiver: learned queries attend to the input."""

    def __init__(self):
        super().__init__()
        self.latents = nn.Parameter(torch.randn(5, 24))
        self.q, self.kv, self.o = nn.Linear(24, 32), nn.Linear(12, 64), nn.Linear(32, 24)
        self.head = Head(24)

    def forward(self, x):
        q = self.q(self.latents).view(1, 5, 4, -1).transpose(1, 2).expand(len(x), -1, -1, -1)
        k, v = self.kv(x).view(len(x), x.shape[1], 2, 4, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.head(self.latents + self.o(y))


@structure(sequence(8, 12))
class mixer(nn.Module):  # noqa: N801
    """MLPs over positions and over channels in turn."""

    def __init__(self):
        super().__init__()
        self.embed, self.norm = nn.Linear(12, 24), nn.LayerNorm(24)
        self.positions = nn.Sequential(nn.Linear(8, 20), nn.GELU(), nn.Linear(20, 8))
        self.channels = nn.Sequential(nn.Linear(24, 40), nn.GELU(), nn.Linear(40, 24))
        self.head = Head(24)

    def forward(self, x):
        x = self.embed(x)
        x = x + self.positions(self.norm(x).transpose(1, 2)).transpose(1, 2)
        return self.head(x + self.channels(x))


@structure(sequence())
class gated_linear_unit(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.into, self.out, self.head = nn.Linear(12, 64), nn.Linear(32, 20), Head(20)

    def forward(self, x):
        return self.head(self.out(F.glu(self.into(x), -1)))


@structure(sequence())
class soft_mixture_of_experts(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.embed, self.router = nn.Linear(12, 20), nn.Linear(20, 3)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 20)) for _ in range(3)
        )
        self.head = Head(20)

    def forward(self, x):
        x = self.embed(x)
        weights = self.router(x).softmax(-1)
        mixed = torch.stack([expert(x) for expert in self.experts], -1)
        return self.head(x + (mixed * weights.unsqueeze(-2)).sum(-1))
