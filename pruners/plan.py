"""The complete decision of one trial as plain data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..errors import UsageError, unknown

FORMAT = 1
QUANTIZATIONS = ("none", "dynamic", "static")
"""What a model may become once it is recovered: an int8 ONNX file, or nothing of the kind."""


@dataclass(frozen=True)
class Recovery:
    """How a freshly pruned model is made useful again.

    Attributes:
        reconstruct: re-solve each layer whose inputs were cut by least squares.
        sequential: do so layer by layer on the pruned model's own inputs: better far from dense,
            and a hundred times slower; BatchNorm statistics then stay as they are.
        recalibrate: re-estimate BatchNorm statistics.
        refit: fit the output layer, by least squares, to what the pruned model gives it.
        epochs: of fine-tuning on the train split; 0 for none.
        lr: highest learning rate of fine-tuning, reached after a warm-up.
        distil: weight of the dense model's outputs in the loss of fine-tuning, in [0, 1].
        schedule: when units go during these epochs: ``"oneshot"`` before them, or one of
            :data:`~hierprune.pruners.schedules.curves.SCHEDULES`.
    """

    reconstruct: bool = True
    sequential: bool = False
    recalibrate: bool = True
    refit: bool = True
    epochs: float = 0.0
    lr: float = 1e-3
    distil: float = 0.0
    schedule: str = "oneshot"

    def __post_init__(self) -> None:
        """Check ranges."""
        if not 0 <= self.distil <= 1:
            raise UsageError(f"distil must be in [0, 1], got {self.distil}")
        if self.epochs < 0 or self.lr <= 0:
            raise UsageError(
                f"epochs must be 0 or more and lr positive, got {self.epochs} and {self.lr}"
            )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Recovery:
        """From plain data; what says nothing of ``refit`` was written before there was any."""
        return cls(**{"refit": False, **data})


BARE = Recovery(reconstruct=False, recalibrate=False, refit=False)
"""Cut and nothing else."""


@dataclass(frozen=True)
class PruningPlan:
    """What to remove from a dense model, and how to recover it.

    Attributes:
        granularity: ``"channel"`` (structures, removed), ``"block"`` (residual blocks, left out),
            ``"weight"`` (single weights, zeroed) or another pattern of zeros.
        criterion: ranks the units of a group; the lowest go.
        allocation: how the global ratio was split over groups before local changes.
        ratio: share of the budget removed, in [0, 1).
        budget: what the ratio counts: ``"units"``, ``"params"`` or ``"macs"``.
        density: share of units kept, by group, in (0, 1], of blocks 0 or 1; groups not named stay
            dense.
        recovery: see :class:`Recovery`.
        seed: of everything random in the trial.
        dense_sha256: of the dense weights that the plan was made for; ``""`` where unknown.
        keep: units kept by group, once they were ranked; ``None`` before, and for single weights.
        quantization: one of :data:`QUANTIZATIONS`, where the ranges of activations are found:
            ``"dynamic"`` as the file runs, ``"static"`` on training batches.
    """

    granularity: str
    criterion: str
    allocation: str
    ratio: float
    budget: str
    density: Mapping[str, float]
    recovery: Recovery = field(default_factory=Recovery)
    seed: int = 0
    dense_sha256: str = ""
    keep: Mapping[str, tuple[int, ...]] | None = None
    quantization: str = "none"

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.quantization not in QUANTIZATIONS:
            raise unknown("quantization", self.quantization, QUANTIZATIONS)
        if not 0 <= self.ratio < 1:
            raise UsageError(f"ratio must be in [0, 1), got {self.ratio}")
        for group, density in self.density.items():
            dropped = density == 0 and self.granularity == "block"
            if not (0 < density <= 1 or dropped):
                raise UsageError(f"density must be in (0, 1], got {density} for {group!r}")

    def __hash__(self) -> int:
        return hash(self.digest())

    def digest(self) -> str:
        """SHA-256 of the decision: equal for plans that ask for the same thing."""
        decision = replace(self, keep=None).to_json()
        return hashlib.sha256(json.dumps(decision, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """As plain data, the layout of ``plan.json``."""
        data = {"format": FORMAT} | asdict(self)
        data["density"] = {g: float(d) for g, d in self.density.items()}
        data["ratio"] = float(self.ratio)
        data["keep"] = None if self.keep is None else {g: list(k) for g, k in self.keep.items()}
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PruningPlan:
        """The plan that :meth:`to_json` wrote.

        Raises:
            UsageError: another format, a missing field, or a value out of range.
        """
        if not isinstance(data, Mapping):
            raise UsageError(f"not a plan: {type(data).__name__} in the place of an object")
        if data.get("format") != FORMAT:
            raise UsageError(f"not a plan of format {FORMAT}: format is {data.get('format')!r}")
        try:
            fields = {k: data[k] for k in cls.__dataclass_fields__ if k != "quantization"}
            fields["quantization"] = data.get("quantization", "none")
            keep = fields["keep"]
            fields["recovery"] = Recovery.from_json(fields["recovery"])
            fields["keep"] = None if keep is None else {g: tuple(k) for g, k in keep.items()}
            return cls(**fields)
        except (KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"not a plan: {type(error).__name__}: {error}") from error
