"""The hierarchical space: how much to keep globally, and how stages and layers share it.

A point of the space is a flat dictionary of Optuna parameters; ``plan`` gives it its meaning. The
global density is exact: an allocation splits it over the groups, local offsets bend the split, and
the widths are fitted to the budget again. Nothing here touches a model: ``Landscape`` holds the
numbers that matter of one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
import optuna

from ..errors import UsageError, unknown
from ..pruners.allocation import ALLOCATIONS, Path, fit
from ..pruners.cost import CostModel, Floats, Ints
from ..pruners.plan import QUANTIZATIONS, PruningPlan, Recovery

Kind = Literal["auto", "hierarchical", "flat", "global"]
KINDS: tuple[Kind, ...] = ("auto", "hierarchical", "flat", "global")
ENOUGH = 5
"""Groups from which on one-layer sensitivities are worth measuring."""
SEARCH_ALLOCATIONS = (*ALLOCATIONS, "dp")
"""What may split the global density: allocations of saliency alone, and of sensitivities."""
Point = optuna.Trial | optuna.trial.FixedTrial
"""What parameters are drawn on, or read from."""
Forecast = Callable[[Ints], Floats]
"""Values relative to dense of widths, (N, G) -> (N,)."""
OFFSET = 1.5
"""Largest local offset in logit space: a density of 0.5 is bent to between 0.18 and 0.82."""


@dataclass(frozen=True)
class Landscape:
    """What the space knows of one model at one granularity.

    Attributes:
        cost: what widths cost.
        stages: stage of every group, in the order of the cost model's names.
        paths: the base allocations, by ``(allocation, criterion)``.
        forecasts: objectives beside parameters and multiply-accumulates that the widths decide, by
            name.
    """

    cost: CostModel
    stages: tuple[str, ...]
    paths: Mapping[tuple[str, str], Path]
    forecasts: Mapping[str, Forecast] = field(default_factory=dict)


@dataclass(frozen=True)
class SpaceOptions:
    """What may vary, as plain data.

    Attributes:
        granularities: what is pruned: ``"channel"``, ``"weight"``.
        criteria: that rank the units, by granularity.
        allocations: that split the global density, by granularity; ``"dp"`` measures one-layer
            sensitivities first.
        kind: ``"hierarchical"``, ``"flat"`` (one density per group), ``"global"``, or ``"auto"``:
            flat where a few structures are all there is, else hierarchical.
        budget: what the global density counts: ``"params"`` or ``"macs"``.
        min_density: lowest global density, in (0, 1].
        max_density: highest global density, in (0, 1].
        align: widths of structures are multiples of it; ``"auto"`` finds one that the runtime
            likes, where latency is an objective.
        quantizations: what the recovered model may become, of ``QUANTIZATIONS``.
    """

    granularities: tuple[str, ...] = ("channel",)
    criteria: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {
            "block": ("influence",),
            "channel": ("activation",),
            "weight": ("l1",),
        }
    )
    allocations: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {
            "block": ("global",),
            "channel": ("uniform", "global", "shared", "lamp"),
            "weight": ("lamp", "global", "erk", "uniform"),
        }
    )
    kind: Kind = "auto"
    budget: str = "params"
    min_density: float = 0.02
    max_density: float = 0.9
    align: int | Literal["auto"] = 1
    quantizations: tuple[str, ...] = ("none",)

    def __post_init__(self) -> None:
        """Check densities and names."""
        if not self.quantizations:
            raise UsageError("int8 must name at least one of 'none', 'dynamic', 'static'")
        for name in self.quantizations:
            if name not in QUANTIZATIONS:
                raise unknown("kind of int8", name, QUANTIZATIONS)
        for name in ("min_density", "max_density"):
            if not 0 < getattr(self, name) <= 1:
                raise UsageError(f"{name} must be in (0, 1], got {getattr(self, name)}")
        if self.align != "auto" and (not isinstance(self.align, int) or self.align < 1):
            raise UsageError(f"align must be 'auto' or a number from 1 on, got {self.align!r}")
        if self.min_density >= self.max_density:
            raise UsageError(
                f"min_density must be below max_density, got {self.min_density} and "
                f"{self.max_density}"
            )

    def settled(self, groups: Mapping[str, int]) -> SpaceOptions:
        """As it suits the number of groups, by granularity.

        Sensitivities are left out where too few groups repay them; an allocation that stands alone
        stays. Kind ``"auto"`` becomes another: with three or four structures a sampler covers the
        flat space, and exact budgets only keep it from doing so; single weights span decades, where
        it gets lost.
        """
        few = self.granularities == ("channel",) and groups["channel"] < ENOUGH
        kind: Kind = self.kind if self.kind != "auto" else "flat" if few else "hierarchical"
        kept = {
            g: tuple(n for n in names if n != "dp" or len(names) == 1 or groups[g] >= ENOUGH)
            for g, names in self.allocations.items()
            if g in groups
        }
        return replace(self, kind=kind, allocations=dict(self.allocations) | kept)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SpaceOptions:
        """The options that :meth:`to_json` wrote."""
        fields = dict(data)
        fields["granularities"] = tuple(data["granularities"])
        fields["quantizations"] = tuple(data.get("quantizations", ("none",)))
        for name in ("criteria", "allocations"):
            fields[name] = {k: tuple(v) for k, v in data[name].items()}
        return cls(**fields)


@dataclass(frozen=True, eq=False)
class SearchSpace:
    """Parameters on one side, plans on the other.

    Attributes:
        options: what may vary.
        landscapes: the numbers of the model, by granularity.
        recovery: what every plan of rung 0 is recovered by.
        dense_sha256: of the weights the plans are for.
        seed: of every plan.
    """

    options: SpaceOptions
    landscapes: Mapping[str, Landscape]
    recovery: Recovery = field(default_factory=Recovery)
    dense_sha256: str = ""
    seed: int = 0
    _fitted: dict[Hashable, Ints] = field(default_factory=dict, init=False, repr=False)

    def within(self, low: float, high: float) -> SearchSpace:
        """The part of the space between two shares of the dense cost; all of it where it has none.

        A flat space, whose bounds are those of every single group, stays as it is.

        >>> space = SearchSpace(SpaceOptions(), {})
        >>> [space.within(0, high).options.max_density for high in (0.5, 0.001)]
        [0.5, 0.9]
        """
        low = max(low, self.options.min_density)
        high = min(high, self.options.max_density)
        if low >= high or self.options.kind == "flat":
            return self
        return replace(self, options=replace(self.options, min_density=low, max_density=high))

    def suggest(self, trial: Point) -> None:
        """Draw one point: every active parameter of the space is suggested on ``trial``."""
        options = self.options
        granularity = self.choose(trial, "granularity", options.granularities)
        self.choose(trial, f"{granularity}.criterion", options.criteria[granularity])
        self.choose(trial, "quantization", options.quantizations)
        low, high = options.min_density, options.max_density
        landscape = self.landscapes[granularity]
        if options.kind == "flat":
            for name in landscape.cost.names:
                trial.suggest_float(f"{granularity}.density:{name}", low, high, log=True)
            return
        trial.suggest_float(f"{granularity}.density", low, high, log=True)
        self.choose(trial, f"{granularity}.allocation", self.allocations(granularity))
        if options.kind in ("auto", "hierarchical"):
            self.suggest_offsets(trial, granularity)

    def suggest_offsets(self, trial: Point, granularity: str) -> None:
        """Draw how far the local shares are opened, and their offsets."""
        landscape = self.landscapes[granularity]
        stages = list(dict.fromkeys(landscape.stages))
        depths = ["none"]
        if 1 < len(stages) < len(landscape.stages):
            depths.append("stage")
        if len(landscape.stages) > 1:
            depths.append("layer")
        depth = self.choose(trial, f"{granularity}.local", tuple(depths))
        if depth in ("stage", "layer") and "stage" in depths:
            for stage in stages:
                trial.suggest_float(f"{granularity}.stage:{stage}", -OFFSET, OFFSET)
        if depth == "layer":
            for name in landscape.cost.names:
                trial.suggest_float(f"{granularity}.layer:{name}", -OFFSET, OFFSET)

    def choose(self, trial: Point, name: str, choices: tuple[str, ...]) -> str:
        """One of the choices; a parameter only where there is something to choose."""
        if len(choices) == 1:
            return choices[0]
        return str(trial.suggest_categorical(name, choices))

    def allocations(self, granularity: str) -> tuple[str, ...]:
        """Base allocations of a granularity; one of them in the ``"global"`` space."""
        found = self.options.allocations[granularity]
        return found[:1] if self.options.kind == "global" else found

    def plan(self, params: Mapping[str, Any]) -> PruningPlan:
        """What a point means. Equal parameters give equal plans."""
        granularity = params.get("granularity", self.options.granularities[0])
        own = {k.removeprefix(f"{granularity}."): v for k, v in params.items()}
        criterion = own.get("criterion", self.options.criteria[granularity][0])
        landscape = self.landscapes[granularity]
        if self.options.kind == "flat":
            allocation = "flat"
            widths = landscape.cost.vector(
                {name: own[f"density:{name}"] for name in landscape.cost.names}
            )
        else:
            allocation = own.get("allocation", self.allocations(granularity)[0])
            widths = self.fitted(granularity, (allocation, criterion), own)
        return PruningPlan(
            granularity=granularity,
            criterion=criterion,
            allocation=allocation,
            ratio=max(0.0, 1 - landscape.cost.share(widths, self.options.budget)),
            budget=self.options.budget,
            density=landscape.cost.densities(widths),
            recovery=self.recovery,
            seed=self.seed,
            dense_sha256=self.dense_sha256,
            quantization=params.get("quantization", self.options.quantizations[0]),
        )

    def fitted(self, granularity: str, base: tuple[str, str], own: Mapping[str, Any]) -> Ints:
        """Widths at the global density, on a base allocation bent by the local offsets.

        The last ones are kept, since a strategy looks at a point before it proposes it.
        """
        landscape = self.landscapes[granularity]
        offsets = tuple(
            own.get(f"stage:{stage}", 0.0) + own.get(f"layer:{name}", 0.0)
            for stage, name in zip(landscape.stages, landscape.cost.names, strict=True)
        )
        density, budget = own["density"], self.options.budget
        point = (granularity, base, density, offsets)
        if point not in self._fitted:
            path = landscape.paths[base]
            widths = fit(path, landscape.cost, density, budget, np.array(offsets))
            self._fitted.clear()
            self._fitted[point] = widths
        return self._fitted[point]
