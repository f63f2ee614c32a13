"""The model that was picked of a study, with all that is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from ..objectives.onnx_model import OnnxModel
from ..pruners.plan import PruningPlan
from .changes import Change
from .run_record import RunRecord

Intervals = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Chosen:
    """One model of a study, rebuilt and tested.

    Attributes:
        trial: its number.
        model: ready to run, in eval mode.
        plan: with the units kept.
        values: measured on the validation split by its trial, by objective.
        interval: their 95 % intervals.
        test: measured on the test split now.
        dense_test: the dense model on the test split.
        record: of the study.
        test_interval: 95 % intervals of ``test``.
        dense_test_interval: of ``dense_test``.
        why: it was picked, in sentences.
        latency: how it is known, in a sentence; ``""`` where it was not measured.
        scored: which samples ``values`` are from, in a sentence.
        changes: what became of every layer.
        picture: of the units kept, as SVG.
        where: the constraints that it was chosen under.
        run: folder of the study, which remembers what was saved.
        file: the quantised model, whose scores these then are; ``model`` is what it was made of.
    """

    trial: int
    model: nn.Module
    plan: PruningPlan
    values: Mapping[str, float]
    interval: Intervals
    test: Mapping[str, float]
    dense_test: Mapping[str, float]
    record: RunRecord
    test_interval: Intervals = field(default_factory=dict)
    dense_test_interval: Intervals = field(default_factory=dict)
    why: Sequence[str] = ()
    latency: str = ""
    scored: str = ""
    changes: Sequence[Change] = ()
    picture: str = ""
    where: Sequence[str] = ()
    run: Path | None = None
    file: OnnxModel | None = None
