"""What a plan would bring: a model of what is measured, and expected gains in hypervolume.

Only what arithmetic cannot know is modelled, by a Gaussian process over the splits (scikit-learn).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .front import Floats

SAMPLES = 1024
"""Points of the objective space that gains are counted at."""
BETTER = 0.1
"""How far beyond a front that does as well as dense there is still something to gain."""
AS_WELL = 1e-3
"""Loss of quality up to which that is so."""
MARGIN = 0.05
"""How far losses of quality are told apart beyond dense and guessing."""
AT_DENSE = (float(np.log(MARGIN / (1 + MARGIN))), (1 + 2 * MARGIN) / (MARGIN * (1 + MARGIN)))
"""Log odds there, and their slope."""


def warp(coordinate: Floats) -> Floats:
    """Log odds of a loss of quality, 0 = dense and 1 = guessing, with :data:`MARGIN` at both ends.

    Quality over the logarithm of the cost is flat near dense and where a model has collapsed, and
    steep between; its log odds are nearly straight, with the same noise everywhere. Better than
    dense they go straight on; much worse than guessing is no worse.

    >>> warp(np.array([-0.1, 0.0, 0.5, 1.0])).round(2).tolist()
    [-5.14, -3.04, 0.0, 3.04]
    """
    inner = np.clip(coordinate, 0, 1 + 0.9 * MARGIN)
    odds: Floats = np.log((inner + MARGIN) / (1 + MARGIN - inner))
    return odds + AT_DENSE[1] * np.minimum(coordinate, 0)


def unwarp(odds: Floats) -> Floats:
    """The coordinate again."""
    start, slope = AT_DENSE
    inner = (1 + 2 * MARGIN) / (1 + np.exp(-np.maximum(odds, start))) - MARGIN
    coordinate: Floats = inner + np.minimum(odds - start, 0) / slope
    return coordinate


@dataclass(frozen=True)
class Belief:
    """What is thought of one coordinate of N candidates: exactly known where ``std`` is zero.

    Attributes:
        mean: shape (N,).
        std: shape (N,).
        warped: both are of :func:`warp` of the coordinate.
    """

    mean: Floats
    std: Floats
    warped: bool = False

    @property
    def median(self) -> Floats:
        """Of the coordinate, shape (N,)."""
        return unwarp(self.mean) if self.warped else self.mean


def expected_gain(beliefs: Sequence[Belief], front: Floats, random: np.random.Generator) -> Floats:
    """Expected hypervolume improvement of N candidates, up to a common factor, shape (N,).

    The mean over points that the front leaves open of the probability that a candidate dominates
    them: the integral form of Emmerich et al. 2006, by Monte Carlo, so that any number of exactly
    known and of independently normal coordinates fits.

    Args:
        beliefs: by coordinate, to be minimised, 1 at the reference.
        front: the non-dominated points so far, shape (F, m).
        random: draws the points.
    """
    points = open_points(front, len(beliefs), random)
    chance = np.ones((len(beliefs[0].mean), len(points)))
    for belief, coordinate in zip(beliefs, points.T, strict=True):
        coordinate = warp(coordinate) if belief.warped else coordinate
        gap = coordinate[None, :] - belief.mean[:, None]
        sure = not belief.std.any()
        chance *= gap > 0 if sure else normal_cdf(gap / np.maximum(belief.std, 1e-9)[:, None])
    gain: Floats = chance.mean(axis=1)
    return gain


def open_points(front: Floats, axes: int, random: np.random.Generator) -> Floats:
    """Points below the reference that no member of the front dominates, shape (<= SAMPLES, m).

    They go down to 0, the dense model's quality, and to :data:`BETTER` below what does as well.
    """
    best = front.min(axis=0, initial=1.0)
    low = np.where(best <= AS_WELL, best - BETTER, 0.0)[:, None]
    found: list[Floats] = []
    for _ in range(8):
        drawn = low + (1 - low) * random.random((axes, 4 * SAMPLES))
        beaten = [c[:, None] <= v for c, v in zip(front.T, drawn, strict=True)]  # (F, N) each
        found.append(drawn.T[~np.logical_and.reduce(beaten).any(axis=0)])
        if sum(map(len, found)) >= SAMPLES:
            break
    return np.concatenate(found)[:SAMPLES]


def normal_cdf(x: Floats) -> Floats:
    """Distribution function of the standard normal, to 3e-4: a logistic of a cubic.

    Page 1977, "Approximations to the cumulative normal function", Applied Statistics 26(1).
    """
    clipped = np.clip(x, -6.0, 6.0)
    value: Floats = 0.5 * (1 + np.tanh(0.7988 * clipped * (1 + 0.04417 * clipped * clipped)))
    return value


@dataclass(frozen=True)
class Surrogate:
    """A Gaussian process over splits, with hyperparameters that stay between fits.

    Attributes:
        kernel: of scikit-learn.
    """

    kernel: Any

    @classmethod
    def fitted(cls, x: Floats, y: Floats) -> Surrogate:
        """Hyperparameters of the largest marginal likelihood, inputs (N, F), targets (N,)."""
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        kernel = ConstantKernel(1.0, (0.05, 20.0)) * Matern(2.0, (0.3, 30.0), nu=2.5)
        kernel += WhiteKernel(1e-2, (1e-5, 0.3))
        model = regressor(kernel, optimize=True)
        with warnings.catch_warnings():  # a hyperparameter at its bound is no matter
            warnings.simplefilter("ignore")
            centre, scale = standard(y)
            model.fit(x, (y - centre) / scale)
        return cls(model.kernel_)

    def predict(self, x: Floats, y: Floats, at: Floats) -> Belief:
        """What is thought of the truth at (M, F), noise aside, after seeing (N, F) and (N,)."""
        centre, scale = standard(y)
        model = regressor(self.kernel, optimize=False).fit(x, (y - centre) / scale)
        mean, std = model.predict(at, return_std=True)
        latent = np.sqrt(np.maximum(std**2 - self.kernel.k2.noise_level, 0.0))
        return Belief(centre + scale * mean, scale * latent)


def standard(y: Floats) -> tuple[float, float]:
    """Mean and standard deviation; 1 where all are equal."""
    return float(y.mean()), float(y.std()) or 1.0


def regressor(kernel: Any, *, optimize: bool) -> Any:
    """A Gaussian process of scikit-learn."""
    from sklearn.gaussian_process import GaussianProcessRegressor

    return GaussianProcessRegressor(kernel, optimizer="fmin_l_bfgs_b" if optimize else None)
