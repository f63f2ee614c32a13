"""Which units were kept, layer by layer, as a picture.

Every unit of a group is a cell in its own order; the more salient it was, the darker. Blue cells
were kept, hollow ones are gone. Of single weights, where no unit goes as a whole, a cell is an
output of the layer, and as blue as the share of its weights that were kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import torch
from torch import Tensor, nn

from ..pruners.dense import Dense
from ..pruners.plan import PruningPlan

CELL, GAP, COLUMNS = 9, 2, 64
LABEL, HEAD, BETWEEN = 230, 30, 14
MOST = 512
"""Cells of a layer; of more units, evenly taken ones are drawn."""


@dataclass(frozen=True)
class Cells:
    """The units of one layer.

    Attributes:
        name: of the layer.
        salience: rank among the units, in [0, 1], 1 for the most salient.
        kept: share that was kept, in [0, 1].
        units: how many there are; no fewer than there are cells.
    """

    name: str
    salience: tuple[float, ...]
    kept: tuple[float, ...]
    units: int


def kept_picture(dense: Dense, model: nn.Module, plan: PruningPlan) -> str:
    """What a plan kept of the dense model.

    Args:
        dense: the model before.
        model: after pruning; its zeros tell where no unit goes as a whole.
        plan: with the units kept.
    """
    groups = dense.units(plan.granularity)
    if plan.keep is not None:
        scores = dense.scores(plan.criterion, plan.granularity, plan.seed)
        return picture(unit_cells(plan.keep, {g.name: g.width for g in groups}, scores))
    parameters = dict(model.named_parameters(remove_duplicate=False))
    weights = {g.name: parameters[g.cuts[0].tensor] for g in groups}
    return picture(weight_cells(weights, dense.scores(plan.criterion, "weight", plan.seed)))


def unit_cells(
    keep: Mapping[str, Sequence[int]], widths: Mapping[str, int], scores: Mapping[str, Tensor]
) -> list[Cells]:
    """Groups of structures.

    Args:
        keep: units kept, by group.
        widths: units of the dense model, by group.
        scores: saliency of the units, by group; groups without count all units alike.
    """
    found = []
    for name, width in widths.items():
        kept = torch.ones(width)
        if name in keep:
            kept = torch.zeros(width)
            kept[list(keep[name])] = 1.0
        found.append(cells(name, scores.get(name, torch.ones(width)), kept))
    return found


def weight_cells(weights: Mapping[str, Tensor], scores: Mapping[str, Tensor]) -> list[Cells]:
    """Single weights, by their outputs.

    Args:
        weights: of the pruned model, by group, the outputs first.
        scores: saliency of the single weights, by group.
    """
    found = []
    for name, weight in weights.items():
        kept = (weight.detach() != 0).flatten(1).float().mean(dim=1)
        score = scores[name].reshape(len(weight), -1).mean(dim=1) if name in scores else kept
        found.append(cells(name, score, kept))
    return found


def cells(name: str, score: Tensor, kept: Tensor) -> Cells:
    """One layer, at most :data:`MOST` of its units."""
    units = len(kept)
    ranks = score.argsort().argsort().double() / max(1, units - 1)
    rows = torch.linspace(0, units - 1, min(units, MOST)).round().long()
    return Cells(name, tuple(ranks[rows].tolist()), tuple(kept[rows].tolist()), units)


def picture(layers: Sequence[Cells]) -> str:
    """The layers below each other, as SVG."""
    parts, top = [], HEAD
    for layer in layers:
        parts.append(label(layer, top))
        step = CELL + GAP
        for i, (rank, kept) in enumerate(zip(layer.salience, layer.kept, strict=True)):
            x, y = LABEL + i % COLUMNS * step, top + i // COLUMNS * step
            parts.append(cell(x, y, rank, kept))
        top += -(-len(layer.kept) // COLUMNS) * step + BETWEEN
    width = LABEL + COLUMNS * (CELL + GAP) + GAP
    about = "blue: kept, hollow: gone; darker: more salient in the dense model"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}" '
        f'viewBox="0 0 {width} {top}" font-family="system-ui, sans-serif" font-size="11">'
        f'<rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text x="8" y="18" fill="#5b6670">{about}</text>{"".join(parts)}</svg>\n'
    )


def label(layer: Cells, top: int) -> str:
    """Name of a layer and what is left of it."""
    name = layer.name if len(layer.name) <= 24 else f"…{layer.name[-23:]}"
    left = round(sum(layer.kept) / len(layer.kept) * layer.units)
    return (
        f'<text x="8" y="{top + CELL}" fill="#1d2329">{escape(name)}</text>'
        f'<text x="{LABEL - 8}" y="{top + CELL}" fill="#5b6670" text-anchor="end">'
        f"{left} of {layer.units}</text>"
    )


def cell(x: int, y: int, rank: float, kept: float) -> str:
    """One unit."""
    tone = 0.25 + 0.75 * rank
    return (
        f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" rx="1.5" fill="#1f6fc0" '
        f'fill-opacity="{tone * kept:.2f}" stroke="#5b6670" stroke-opacity="{0.3 + 0.4 * rank:.2f}"'
        ' stroke-width="0.8"/>'
    )
