"""Which units matter: one saliency per unit, the lowest go first."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import unknown
from .activation import ActivationWeighted
from .base import Criterion, Saliency
from .chance import Random
from .geometry import GeometricMedian
from .gradient import Fisher, Snip, SynFlow, Taylor
from .influence import Influence
from .magnitude import GroupMagnitude, Magnitude, NormScale

__all__ = ["CRITERIA", "Criterion", "Random", "Saliency", "criterion"]

CRITERIA: Mapping[str, Criterion] = {
    "activation": ActivationWeighted(),
    "bn-scale": NormScale(),
    "fisher": Fisher(),
    "fpgm": GeometricMedian(),
    "group-l2": GroupMagnitude(),
    "influence": Influence(),
    "l1": Magnitude(1),
    "l2": Magnitude(2),
    "random": Random(),
    "snip": Snip(),
    "synflow": SynFlow(),
    "taylor": Taylor(),
}


def criterion(name: str) -> Criterion:
    """The criterion of that name.

    Raises:
        UsageError: there is none; the nearest is offered.
    """
    if name not in CRITERIA:
        raise unknown("criterion", name, CRITERIA)
    return CRITERIA[name]
