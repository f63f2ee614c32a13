"""Which unit does every element of a tensor belong to? Labels, and the union-find behind them.

A *layer* is an int64 tensor of the same rank as the tensor it labels; every dimension is full or 1
(broadcast). A label names a unit; two labels in one class are the same unit. Label 0 is fixed:
what carries it stays whatever happens. A tensor has zero or more layers, and an element goes when
the unit named by any of them goes.

>>> units = UnitSpace()
>>> rows, columns = units.fresh(3), units.fresh(3)     # out of one Linear, into the next
>>> units.tie(rows, columns)
>>> units.roots(columns).tolist() == units.roots(rows).tolist()
True
>>> units.freeze(rows[1:2], "makes the model's output")
>>> units.roots(columns).tolist()
[1, 0, 3]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

Layers = tuple[Tensor, ...]
"""The layers of one tensor."""

FIXED = 0


class UnitSpace:
    """Labels under union: which of them are one unit, and which are fixed, with the reason.

    Args:
        unite: when false, ties and freezes are forgotten, so that labels stay as they were born;
            a first pass over a model uses this to see where its units flow.

    Attributes:
        locate: says where in the model the current operation is; completes the reasons.
        version: counts the changes; layers settled at this version are still settled.
    """

    def __init__(self, *, unite: bool = True) -> None:
        self.unite = unite
        self.locate: Callable[[], str] = str
        self.version = 0
        self._parent = np.zeros(1, dtype=np.int64)
        self._cause = np.ones(1, dtype=np.int64)  # 0: free; else 1 + index into reasons
        self._reasons = ["meets a tensor whose size does not follow"]

    @property
    def size(self) -> int:
        """How many labels there are, the fixed one included."""
        return len(self._parent)

    def fresh(self, n: int) -> Tensor:
        """``n`` new units, shape (n,)."""
        first = len(self._parent)
        new = np.arange(first, first + n)
        self._parent = np.concatenate([self._parent, new])
        self._cause = np.concatenate([self._cause, np.zeros(n, dtype=np.int64)])
        return torch.from_numpy(new.copy())

    def roots(self, labels: Tensor) -> Tensor:
        """One representative per class, same shape; 0 where the class is fixed."""
        if not self.unite:
            return labels
        parent = self._parent[labels.numpy()]
        return torch.from_numpy(np.where(self._cause[parent] > 0, FIXED, parent))

    def reason(self, labels: Tensor) -> str:
        """Why the first fixed one of these labels is fixed; empty when none is."""
        causes = self._cause[self._parent[labels.numpy().reshape(-1)]]
        fixed = causes[causes > 0]
        return self._reasons[int(fixed[0]) - 1] if len(fixed) else ""

    def tie(self, a: Tensor, b: Tensor) -> None:
        """Make ``a`` and ``b`` (they broadcast) the same units, element by element."""
        if not self.unite:
            return
        x, y = np.broadcast_arrays(self._parent[a.numpy()], self._parent[b.numpy()])
        differ = x != y
        if not differ.any():
            return
        pairs = np.unique(np.stack([x[differ], y[differ]]), axis=1)
        free = pairs[self._cause[pairs] == 0]
        self._explain(np.intersect1d(free, pairs[:, (pairs == FIXED).any(axis=0)]))
        self._merge(*pairs[:, (self._cause[pairs] == 0).any(axis=0)])

    def tie_along(self, layer: Tensor, dims: Iterable[int]) -> Tensor:
        """Make the units along ``dims`` one; gives the layer with these dimensions reduced to 1."""
        for d in dims:
            if layer.shape[d] > 1:
                first = layer.narrow(d, 0, 1)
                self.tie(layer, first)
                layer = first
        return layer

    def freeze(self, labels: Tensor, reason: str) -> None:
        """Fix these units; the first reason of a unit stays."""
        if self.unite:
            roots = np.unique(self._parent[labels.numpy().reshape(-1)])
            self._explain(roots[self._cause[roots] == 0], reason)

    def settle(self, layers: Iterable[Tensor]) -> Layers:
        """Layers in their shortest form: representatives, constant dimensions 1, no fixed ones."""
        settled = (shrink(self.roots(layer)) for layer in layers)
        return tuple(layer for layer in settled if bool((layer != FIXED).any()))

    def _explain(self, roots: np.ndarray, reason: str = "") -> None:
        if len(roots):
            place = self.locate()
            self._reasons.append(f"{reason or self._reasons[0]}{place and f' ({place})'}")
            self._cause[roots] = len(self._reasons)
            self.version += 1

    def _merge(self, a: np.ndarray, b: np.ndarray) -> None:
        """Hook larger roots to smaller ones until every pair agrees (min-label hooking)."""
        self.version += 1
        ends = np.concatenate([a, b])
        causes = self._cause[ends]
        while len(a):
            low, high = np.minimum(a, b), np.maximum(a, b)
            np.minimum.at(self._parent, high, low)
            self._flatten()
            a, b = self._parent[low], self._parent[high]
            a, b = a[a != b], b[a != b]
        np.maximum.at(self._cause, self._parent[ends], causes)

    def _flatten(self) -> None:
        while True:
            parent = self._parent[self._parent]
            if np.array_equal(parent, self._parent):
                return
            self._parent = parent


def varying(layer: Tensor) -> list[int]:
    """The dimensions along which a layer has more than one position."""
    return [d for d, n in enumerate(layer.shape) if n > 1]


def alike(a: Tensor, b: Tensor) -> bool:
    """Whether two vectors of labels repeat theirs in the same places."""
    own, other, pairs = distinct(a, b)
    return own == other == pairs


def crossed(a: Tensor, b: Tensor) -> bool:
    """Whether every label of one vector meets every label of the other, as rows and columns do."""
    own, other, pairs = distinct(a, b)
    return min(own, other) > 1 and pairs == own * other


def distinct(a: Tensor, b: Tensor) -> tuple[int, int, int]:
    """How many labels are in one vector, in the other, and how many pairs of both."""
    pairs = np.stack([a.numpy(), b.numpy()])
    return len(np.unique(a)), len(np.unique(b)), np.unique(pairs, axis=1).shape[1]


def shrink(layer: Tensor) -> Tensor:
    """The same layer with dimensions of equal labels reduced to 1."""
    for d in varying(layer):
        first = layer.narrow(d, 0, 1)
        if bool((layer == first).all()):
            layer = first
    return layer


def pad_rank(layer: Tensor, rank: int) -> Tensor:
    """Leading dimensions of 1 up to ``rank``, as broadcasting adds them."""
    return layer.reshape((1,) * (rank - layer.dim()) + tuple(layer.shape))


def widen(layer: Tensor, shape: Sequence[int], dims: Iterable[int]) -> Tensor:
    """The layer at full size along ``dims`` of a tensor of this shape, the rest as it was."""
    wide = set(dims)
    return layer.expand([n if d in wide else layer.shape[d] for d, n in enumerate(shape)])


def along(labels: Tensor, dim: int, rank: int) -> Tensor:
    """A vector of labels, shape (n,), laid along one dimension of a layer of this rank."""
    return labels.reshape([-1 if d == dim else 1 for d in range(rank)])


def unflatten(layer: Tensor, dim: int, sizes: tuple[int, int]) -> Tensor:
    """One dimension split in two."""
    shape = [*layer.shape[:dim], *sizes, *layer.shape[dim + 1 :]]
    return layer.reshape(shape)
