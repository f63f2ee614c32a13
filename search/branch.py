"""One way to prune and quantise: its widths, what they cost, and their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..pruners.allocation import sigmoid
from ..pruners.cost import CostModel, Floats, Ints
from .candidates import Road, candidates, costs, logit, moved_to, road, widths_of
from .goal import FULL
from .history import Key, Record
from .opening import Depth
from .space import OFFSET, SearchSpace

ON_BASE = 0.75
"""Units of every group below which a split is the base allocation itself."""
STEPS = 11
"""Costs tried on the way down from the bound, since whole widths may come to more."""
NARROW = 0.5
"""Where the lowest density is more than this part of the highest, all plans cost about the same."""
FAR = 10.0
"""Logits are cut off here."""
LEAST = 1e-3
"""Densities below are all the same to a model of quality."""
SIZES = ("params", "macs")
"""Objectives that are arithmetic of any widths."""


@dataclass(frozen=True, eq=False)
class Branch:
    """What may be pruned in one way.

    Attributes:
        space: it is part of.
        granularity: of the units.
        criterion: that ranks them.
        quantization: what becomes of the recovered model.
        roads: the base allocations by name, tabulated.
        bounds: shares of the dense cost that the goal leaves.
    """

    space: SearchSpace
    granularity: str
    criterion: str
    quantization: str
    roads: Mapping[str, Road]
    bounds: tuple[float, float] = (0.0, 1.0)
    _widths: dict[int, Ints] = field(default_factory=dict, repr=False)
    _tried: set[bytes] = field(default_factory=set, repr=False)

    @property
    def cost(self) -> CostModel:
        """What widths cost."""
        return self.space.landscapes[self.granularity].cost

    @property
    def key(self) -> Key:
        """What a plan of this branch says of itself."""
        return self.granularity, self.criterion, self.quantization

    @property
    def fixed(self) -> dict[str, Any]:
        """The parameters that all its points share."""
        named = {"granularity": self.granularity, "quantization": self.quantization}
        return named | {f"{self.granularity}.criterion": self.criterion}

    def widths(self, record: Record) -> Ints:
        """The widths of a trial's plan, shape (G,); worked out once."""
        if record.number not in self._widths:
            self._widths[record.number] = self.cost.vector(record.plan["density"])
            self._tried.add(self._widths[record.number].tobytes())
        return self._widths[record.number]

    def tried(self, records: Sequence[Record]) -> set[bytes]:
        """The widths of these trials of the branch, and of all earlier ones, as bytes."""
        known = self._widths
        for record in records:
            if record.number not in known:
                self.widths(record)
        return self._tried

    def first_new(self, widths: Ints) -> dict[str, Any]:
        """The point of the first row of (N, G) whose plan no trial had; else of the first."""
        for row in widths:
            point = self.parameters(row)
            plan = self.space.plan(point)
            if self.cost.vector(plan.density).tobytes() not in self._tried:
                return point
        return self.parameters(widths[0])

    def shares(self, widths: Floats | Ints, budget: str | None = None) -> Floats:
        """Cost relative to dense, (N, G) -> (N,)."""
        return costs(self.cost, widths, budget or self.space.options.budget)

    def is_exact(self, name: str) -> bool:
        """Whether the widths decide an objective."""
        return name in SIZES or name in self.space.landscapes[self.granularity].forecasts

    def exact(self, name: str, widths: Ints) -> Floats | None:
        """An objective relative to dense, (N, G) -> (N,), where the widths decide it."""
        if name in SIZES:
            return self.shares(widths, name)
        forecast = self.space.landscapes[self.granularity].forecasts.get(name)
        return None if forecast is None else forecast(widths)

    def logits(self, widths: Floats | Ints) -> Floats:
        """Logits of densities, (N, G) -> (N, G)."""
        return logit(widths / self.cost.widths)

    def features(self, widths: Floats | Ints) -> Floats:
        """What a model of quality looks at: logarithms of the cost and of the densities, (N, F).

        Densities count by the number of tensors that their group is a part of: what happens to a
        residual stream tells more than what happens inside one block.
        """
        total = np.log(np.maximum(self.shares(widths), 1e-4))
        densities = np.log(np.maximum(widths / self.cost.widths, LEAST))
        weights = np.sqrt(self.cost.tensors / self.cost.tensors.sum())
        return np.concatenate([total[:, None], densities * weights], axis=1)

    def drawn(
        self, front: Floats, count: int, random: np.random.Generator, depth: Depth = "layer"
    ) -> Ints:
        """Widths (N, G) of random candidates, all different, switched down to a level."""
        low, high = self.span
        roads = list(self.roads.values())
        if self.space.options.kind == "global":
            return self.allowed(roads[0].at(random.uniform(low, high, count)))
        found = candidates(roads, front, self.span, count, random, self.parts(depth))
        return self.allowed(self.inside(found, random) if self.narrow else found)

    def inside(self, logits: Floats, random: np.random.Generator) -> Floats:
        """Logits (N, G), those that cost too much or too little moved into the span."""
        low, high = self.span
        shares = self.shares(sigmoid(logits) * self.cost.widths)
        strays = (shares < low) | (shares > high)
        aims = random.uniform(low, high, int(strays.sum()))
        logits[strays] = moved_to(aims, logits[strays], self.cost, self.space.options.budget)
        return logits

    def parts(self, depth: Depth) -> Ints | None:
        """Which groups a level switches together: the number of each group's part, (G,)."""
        if depth == "none":
            return None
        if depth == "layer":
            return np.arange(len(self.cost.names))
        stages = np.array(self.space.landscapes[self.granularity].stages)
        return np.unique(stages, return_inverse=True)[1].astype(np.int64)

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest density: the space's, as far as the goal leaves it."""
        options = self.space.options
        low, high = (
            max(options.min_density, self.bounds[0]),
            min(options.max_density, self.bounds[1]),
        )
        return (low, high) if low < high else (options.min_density, options.max_density)

    @property
    def narrow(self) -> bool:
        """Whether all plans cost about the same."""
        low, high = self.span
        return low > NARROW * high

    def allowed(self, logits: Floats) -> Ints:
        """Different widths (M, G) near these logits (N, G) that the space has parameters for."""
        options, (low, high) = self.space.options, self.span
        if options.kind == "flat":
            limits = logit(np.array([options.min_density, options.max_density]))
            most = np.array([options.max_density * self.cost.widths], np.float64)
            dearest = float(self.shares(most)[0])
            logits = np.clip(logits, *limits)
            low, high = min(low, self.bounds[0], FULL * dearest), self.bounds[1]
        widths = np.unique(widths_of(logits, self.cost), axis=0)
        shares = self.shares(widths)
        return widths[(shares >= low) & (shares <= high)]

    def parameters(self, widths: Ints) -> dict[str, Any]:
        """The point of the space that means these widths, as nearly as it can say."""
        if self.space.options.kind == "flat":
            return self.fixed | self.flat(widths)
        share = float(np.clip(self.shares(widths[None])[0], *self.span))
        logits = np.clip(self.logits(widths), -FAR, FAR)
        bases = {
            name: np.clip(road.at(np.array([share]))[0], -FAR, FAR)
            for name, road in self.roads.items()
        }
        name = min(bases, key=lambda n: float(np.abs(logits - bases[n]).max()))
        own = {"density": share, "allocation": name, "local": "none"}
        if not self.on_base(widths, bases[name]):
            own |= self.local(logits - bases[name])
        return self.fixed | {f"{self.granularity}.{k}": v for k, v in own.items()}

    def on_base(self, widths: Ints, base: Floats) -> bool:
        """Whether widths (G,) are those of a base allocation, but for rounding."""
        gaps = np.abs(sigmoid(base) * self.cost.widths - widths)
        return self.space.options.kind == "global" or bool((gaps <= ON_BASE * self.cost.step).all())

    def on_top(self, name: str) -> dict[str, Any]:
        """The point of a base allocation that uses most of what its plan may cost."""
        low, high = self.span
        for share in np.linspace(high, low, STEPS):
            found = self.on_road(name, float(share))
            widths = self.cost.vector(self.space.plan(found).density)
            if self.shares(widths[None])[0] <= high:
                break
        return found

    def on_road(self, name: str, share: float) -> dict[str, Any]:
        """The point of a base allocation that costs a share."""
        if self.space.options.kind == "flat":
            found = self.roads[name].at(np.array([share]))
            return self.parameters(widths_of(found, self.cost)[0])
        own = {"density": share, "allocation": name, "local": "none"}
        return self.fixed | {f"{self.granularity}.{k}": v for k, v in own.items()}

    def flat(self, widths: Ints) -> dict[str, float]:
        """Parameters of the flat space."""
        low, high = self.space.options.min_density, self.space.options.max_density
        densities = np.clip(widths / self.cost.widths, low, high).tolist()
        pairs = zip(self.cost.names, densities, strict=True)
        return {f"{self.granularity}.density:{name}": value for name, value in pairs}

    def local(self, gap: Floats) -> dict[str, Any]:
        """Offsets from a base allocation: their means by stage, and the rest by layer."""
        stages = np.array(self.space.landscapes[self.granularity].stages)
        own: dict[str, Any] = {"local": "layer"}
        rest = gap - np.median(gap)
        if 1 < len(set(stages)) < len(stages):
            for stage in dict.fromkeys(stages.tolist()):
                mean = float(np.clip(rest[stages == stage].mean(), -OFFSET, OFFSET))
                own[f"stage:{stage}"] = mean
                rest = np.where(stages == stage, rest - mean, rest)
        offsets = np.clip(rest, -OFFSET, OFFSET).tolist()
        return own | {f"layer:{n}": o for n, o in zip(self.cost.names, offsets, strict=True)}


def branches(space: SearchSpace, bounds: tuple[float, float] = (0.0, 1.0)) -> tuple[Branch, ...]:
    """Every granularity, criterion and quantisation of a space, the last one changing fastest.

    Args:
        space: which.
        bounds: shares of the dense cost that plans are sought between.
    """
    options = space.options
    return tuple(
        Branch(space, granularity, criterion, quantization, tables, bounds)
        for granularity in options.granularities
        for criterion in options.criteria[granularity]
        for tables in (roads(space, granularity, criterion),)
        for quantization in options.quantizations
    )


def roads(space: SearchSpace, granularity: str, criterion: str) -> dict[str, Road]:
    """The base allocations of a branch, tabulated."""
    landscape = space.landscapes[granularity]
    return {
        name: road(landscape.paths[name, criterion], landscape.cost, space.options.budget)
        for name in space.allocations(granularity)
    }
