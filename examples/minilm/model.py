"""A Transformer encoder with mean pooling and a linear head."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

VOCABULARY = 30_522
POSITIONS = 512
EPS = 1e-12  # of layer norms

RENAMED = (
    ("embeddings.word_embeddings.", "words."),
    ("embeddings.position_embeddings.", "positions."),
    ("embeddings.token_type_embeddings.", "types."),
    ("embeddings.LayerNorm.", "norm."),
    ("encoder.layer.", "layers."),
    (".attention.self.", ".attention."),
    (".attention.output.dense.", ".attention.output."),
    (".attention.output.LayerNorm.", ".norm1."),
    (".intermediate.dense.", ".up."),
    (".output.dense.", ".down."),
    (".output.LayerNorm.", ".norm2."),
)
"""Parts of the names of parameters: those of the published BERT models, and ours."""
UNUSED = re.compile(r"pooler\.|embeddings\.position_ids$")


class Attention(nn.Module):
    """Multi-head self-attention.

    Args:
        width: of the residual stream.
        heads: of ``width / heads`` dimensions each.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """States (B, T, width) and what is added to every score (B, 1, 1, T)."""
        parts = [project(x) for project in (self.query, self.key, self.value)]
        q, k, v = (p.unflatten(2, (self.heads, -1)).transpose(1, 2) for p in parts)  # (B, h, T, d)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        states: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return states


class Layer(nn.Module):
    """Attention and two dense layers, each added to its input and normalised after that."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.norm2 = nn.LayerNorm(width, eps=EPS)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """States (B, T, width) to states."""
        x = self.norm1(x + self.attention(x, bias))
        states: Tensor = self.norm2(x + self.down(F.gelu(self.up(x))))
        return states


class UnitNorm(nn.Module):
    """Scales vectors to length 1."""

    def forward(self, x: Tensor) -> Tensor:
        """Vectors (B, width)."""
        return F.normalize(x, dim=1)


class SentenceClassifier(nn.Module):
    """all-MiniLM-L6-v2 and a linear head: 22,566,146 parameters.

    Six layers, 384 wide, 12 heads. Wang et al. 2020, arXiv:2002.10957; Reimers and Gurevych 2019,
    arXiv:1908.10084.
    """

    def __init__(self, width: int = 384, heads: int = 12, inner: int = 1536) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, width)
        self.positions = nn.Embedding(POSITIONS, width)
        self.types = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.layers = nn.ModuleList(Layer(width, heads, inner) for _ in range(6))
        self.unit_norm = UnitNorm()
        self.head = nn.Linear(width, 2)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Tokens and which of them are real, both (B, T), to logits (B, 2)."""
        places = torch.arange(ids.shape[1], device=ids.device)
        x = self.words(ids) + self.positions(places) + self.types(torch.zeros_like(ids))
        x = self.norm(x)  # (B, T, width)
        real = mask.to(x.dtype)
        bias = (1 - real[:, None, None, :]) * -1e9
        for layer in self.layers:
            x = layer(x, bias)
        total = (x * real[:, :, None]).sum(dim=1)
        sentence = self.unit_norm(total / real.sum(dim=1, keepdim=True))
        logits: Tensor = self.head(sentence)
        return logits


def renamed(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters of a published BERT model by our names, without those that have no use here."""
    state = {}
    for name, value in published.items():
        if not UNUSED.match(name):
            for theirs, ours in RENAMED:
                name = name.replace(theirs, ours)
            state[name] = value
    return state
