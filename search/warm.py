"""The first trials: sweeps of the global density over every base allocation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from .space import SearchSpace

LEVELS = 6
"""Densities per allocation; a sweep of six already shows the shape of the front."""


def warm_starts(space: SearchSpace, n_trials: int) -> list[dict[str, Any]]:
    """Parameters of the first trials: at most half of ``n_trials``; none in a flat space.

    Every prefix covers all granularities, criteria and allocations evenly, and the densities from
    end to end on a logarithmic scale.
    """
    if space.options.kind == "flat":
        return []
    bases = list(base_choices(space))
    count = min(n_trials // 2, LEVELS * len(bases))
    return [sweep_point(space, *bases[i % len(bases)], i // len(bases)) for i in range(count)]


def sweep_point(
    space: SearchSpace, granularity: str, fixed: Mapping[str, Any], place: int
) -> dict[str, Any]:
    """The place-th plan, from 0, of a base's sweep over the densities."""
    low, high = math.log(space.options.min_density), math.log(space.options.max_density)
    density = math.exp(low + van_der_corput(place + 1) * (high - low))
    return {**fixed, f"{granularity}.density": density}


def base_choices(space: SearchSpace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every choice of names, as fixed parameters without local offsets."""
    options = space.options
    for granularity in options.granularities:
        for criterion, name, quantization in product(
            options.criteria[granularity], space.allocations(granularity), options.quantizations
        ):
            fixed = {"granularity": granularity, "quantization": quantization}
            own = {"criterion": criterion, "allocation": name, "local": "none"}
            yield granularity, fixed | {f"{granularity}.{k}": v for k, v in own.items()}


def van_der_corput(index: int) -> float:
    """The index-th point, from 1, of the base-2 low-discrepancy sequence in (0, 1).

    >>> [van_der_corput(i) for i in (1, 2, 3, 4)]
    [0.5, 0.25, 0.75, 0.125]
    """
    value, scale = 0.0, 0.5
    while index:
        value += scale * (index & 1)
        index >>= 1
        scale /= 2
    return value
