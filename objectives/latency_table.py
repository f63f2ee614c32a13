"""Times of some models of one family, and what they predict for the others.

A layer's time follows the product of its two widths, and on many runtimes those widths rounded up
to what the vector units hold: a list of times per group that is added up cannot know either. So the
table holds whole models, dense and narrowed at random, with the ratio of their time to dense. The
prediction is a sum with non-negative weights (ridge-regularised least squares of relative errors):
a constant, the mean width, all multiply-accumulates, and the same per layer; multiply-accumulates
also with widths rounded up to multiples of 8 and of 16. How far the layers' own terms are trusted
is chosen by cross-validation, whose errors are what is said of the prediction.

Measured on random plans beside a busy machine: 1.2 % median error on LeNet-5 in eager mode, 2 to
3 % in onnxruntime, from 24 to 40 rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import nn

from .base import Measurement

Floats = NDArray[np.float64]
Shapes = Mapping[str, tuple[int, ...]]

ALIGNMENTS = (1, 8, 16)
COMMON = 2 + len(ALIGNMENTS)  # features of the whole model, before those of each layer
LOOSE = 1e-3  # the ridge on them
RIDGES = (0.03, 0.1, 0.3, 1.0, 10.0)  # on the layers' own, to choose from
FOLDS = 8
PATIENCE = 100
"""Steps of the solver per feature, at most: scipy's own limit of three is now and then too few,
where columns of layers nearly repeat each other."""
NOISE = 0.02  # half width of a row's interval below which rows count alike


@dataclass(frozen=True)
class Layer:
    """A parameter that does work: its dense shape, and multiply-accumulates of a sample."""

    name: str
    shape: tuple[int, ...]
    macs: int


@dataclass(frozen=True)
class Row:
    """One measured model: shapes of the layers it has, its time / dense time, half the interval."""

    shapes: Shapes
    ratio: float
    noise: float


@dataclass(frozen=True)
class Fit:
    """Weights of the features, and the errors of predicting rows that were held out.

    Attributes:
        weights: shape (features,).
        held_out: predicted ratios of the rows, each from the others, shape (rows,).
        errors: relative, absolute, shape (rows,).
    """

    weights: Floats
    held_out: Floats
    errors: Floats


@dataclass(frozen=True)
class LatencyTable:
    """Measured times, and the prediction from them.

    Attributes:
        layers: of the dense model.
        rows: what was measured; the dense model, with ratio 1, need not be among them.
    """

    layers: tuple[Layer, ...]
    rows: tuple[Row, ...]

    @cached_property
    def fit(self) -> Fit:
        """The weights of the best ridge, and its errors."""
        features = self.features(np.array([self.sizes(r.shapes) for r in self.rows]))
        ratios = np.array([r.ratio for r in self.rows])
        trust = 1 / np.hypot(NOISE, [r.noise for r in self.rows])
        fits = [fitted(features, ratios, trust, ridge) for ridge in RIDGES]
        return min(fits, key=lambda fit: float(np.average(fit.errors, weights=trust)))

    @property
    def error(self) -> float:
        """Median relative error on held-out rows."""
        return float(np.median(self.fit.errors))

    @cached_property
    def dense(self) -> Floats:
        """Sizes of the dense layers, shape (layers, dimensions), padded with 1."""
        return self.sizes({layer.name: layer.shape for layer in self.layers})

    def predict(self, shapes: Shapes) -> Measurement:
        """Time / dense time of a model with these shapes, with its 95 % interval."""
        value = float(self.ratios(self.sizes(shapes)[None])[0])
        off = float(np.quantile(self.fit.errors, 0.95))
        return Measurement(value, value / (1 + off), value * (1 + off))

    def ratios(self, sizes: Floats) -> Floats:
        """Time / dense time of N models at once.

        Args:
            sizes: of their layers, zeros where one is gone, shape (N, layers, dimensions).
        """
        whole = (sizes == self.dense).all(axis=(1, 2))
        ratios: Floats = np.where(whole, 1.0, self.features(sizes) @ self.fit.weights)
        return ratios

    def sizes(self, shapes: Shapes) -> Floats:
        """Shapes of one model as an array, see :attr:`dense`; zeros where a layer is gone."""
        depth = max((len(layer.shape) for layer in self.layers), default=1)
        sizes = np.ones((len(self.layers), depth))
        for row, layer in zip(sizes, self.layers, strict=True):
            shape = shapes.get(layer.name, (0,) * len(layer.shape))
            row[: len(shape)] = shape
        return sizes

    def features(self, sizes: Floats) -> Floats:
        """What is known of N models, all relative to dense and 1 for it; shape (N, features).

        Args:
            sizes: see :meth:`ratios`.
        """
        macs = np.array([layer.macs for layer in self.layers], np.float64)
        shares = [work(sizes, self.dense, n) * macs / macs.sum() for n in ALIGNMENTS]
        widths = sizes[:, :, 0] / self.dense[:, 0]
        means = [(widths > 0).mean(axis=1), widths.mean(axis=1), *(s.sum(axis=1) for s in shares)]
        return np.concatenate([np.stack(means, axis=1), widths, *shares], axis=1)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LatencyTable:
        """The table that :meth:`to_json` wrote."""
        layers = tuple(Layer(d["name"], tuple(d["shape"]), d["macs"]) for d in data["layers"])
        rows = tuple(
            Row({k: tuple(v) for k, v in d["shapes"].items()}, d["ratio"], d["noise"])
            for d in data["rows"]
        )
        return cls(layers, rows)


def shapes_of(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Shapes of all parameters."""
    return {name: tuple(p.shape) for name, p in model.named_parameters()}


def work(sizes: Floats, dense: Floats, align: int) -> Floats:
    """Share of every layer's work that is kept, (N, layers, dimensions) -> (N, layers).

    The first two sizes are rounded up to multiples of ``align``.
    """
    inner = np.prod(sizes[:, :, 2:] / dense[:, 2:], axis=2)
    kept: Floats = np.prod(up(sizes[:, :, :2], align) / up(dense[:, :2], align), axis=2) * inner
    return kept


def up(sizes: Floats, align: int) -> Floats:
    """The next multiples.

    >>> up(np.array([17, 16]), 8)
    array([24., 16.])
    """
    multiples: Floats = np.ceil(sizes / align) * align
    return multiples


def fitted(features: Floats, ratios: Floats, trust: Floats, ridge: float) -> Fit:
    """Weights at one ridge, and the errors of FOLDS-fold cross-validation."""
    held_out = np.empty(len(ratios))
    fold = np.arange(len(ratios)) % FOLDS
    for k in range(min(FOLDS, len(ratios))):
        known = fold != k
        weights = solve(features[known], ratios[known], trust[known], ridge)
        held_out[~known] = features[~known] @ weights
    weights = solve(features, ratios, trust, ridge)
    return Fit(weights, held_out, np.abs(held_out / ratios - 1))


def solve(features: Floats, ratios: Floats, trust: Floats, ridge: float) -> Floats:
    """Non-negative weights of the least weighted relative errors.

    Args:
        features: (rows, features).
        ratios: (rows,).
        trust: weight of each row, (rows,).
        ridge: on the features of single layers.
    """
    scale = np.maximum(features.max(axis=0), 1e-9)
    rates = trust / trust.mean() / ratios
    penalty = np.full(features.shape[1], ridge)
    penalty[:COMMON] = LOOSE
    matrix = np.vstack([features / scale * rates[:, None], np.diag(penalty)])
    target = np.concatenate([ratios * rates, np.zeros(len(penalty))])
    tries = PATIENCE * len(penalty)
    weights: Floats = nnls(matrix, target, maxiter=tries)[0] / scale
    return weights


def table_of(layers: Sequence[Layer], rows: Sequence[Row]) -> LatencyTable:
    """A table of the layers that do work, and of these rows without all others."""
    working = tuple(layer for layer in layers if layer.macs > 0)
    names = {layer.name for layer in working}
    slim = [replace(r, shapes={k: s for k, s in r.shapes.items() if k in names}) for r in rows]
    return LatencyTable(working, tuple(slim))
