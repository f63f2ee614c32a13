"""What pruning did to every layer of a model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Change:
    """One weight, before and after.

    Attributes:
        name: of the layer.
        before: shape in the dense model.
        after: shape in the pruned model; empty where the layer is gone.
        kept: entries of the pruned one that are not zero.
    """

    name: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    kept: int

    @property
    def share(self) -> float:
        """Share of the dense entries that were kept."""
        return self.kept / max(1, torch.Size(self.before).numel())


def changes(dense: nn.Module, model: nn.Module) -> list[Change]:
    """All weights of two or more dimensions, in the order of the dense model; tied ones once."""
    after = dict(model.named_parameters(remove_duplicate=False))
    found = []
    for name, weight in dense.named_parameters():
        if weight.dim() >= 2:
            small = after.get(name)
            shape = () if small is None else tuple(small.shape)
            kept = 0 if small is None else int(torch.count_nonzero(small))
            layer = name.removesuffix(".weight").removesuffix(".original")
            found.append(Change(layer, tuple(weight.shape), shape, kept))
    return found
