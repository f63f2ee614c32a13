"""Saliency of whole blocks from what they change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import UsageError
from ...objectives.modes import measuring
from ...task import forward
from ..calibration import Calibration
from ..tree import Group
from ..uses import single
from .gradient import first_inputs


@dataclass(frozen=True)
class Influence:
    """How much a block turns its input: 1 - mean cosine similarity of input and output.

    Men et al. 2024, arXiv:2403.03853 (ShortGPT), eq. (1): block influence, over samples instead of
    tokens.
    """

    def __call__(
        self, model: nn.Module, groups: Sequence[Group], calibration: Calibration
    ) -> dict[str, Tensor]:
        """See :class:`Criterion`; needs data.

        Raises:
            UsageError: a group is no residual block.
        """
        if any(g.kind != "block" for g in groups):
            raise UsageError("criterion 'influence' ranks residual blocks alone; use 'activation'")
        first_inputs(calibration, "influence")
        turned: dict[str, list[Tensor]] = {g.name: [] for g in groups}
        handles = [watch(model.get_submodule(name), found) for name, found in turned.items()]
        try:
            with measuring(model):
                for inputs, _ in calibration.batches:
                    forward(model, inputs)
        finally:
            for handle in handles:
                handle.remove()
        return {name: torch.cat(found).mean()[None].clamp(min=0) for name, found in turned.items()}


def watch(block: nn.Module, found: list[Tensor]) -> Any:
    """Have every call of a block add 1 - cosine of each sample, shape (B,), to ``found``."""

    def hook(module: nn.Module, args: Any, output: Tensor) -> None:
        x, y = single(args[0]).flatten(1), single(output).flatten(1)
        found.append(1 - nn.functional.cosine_similarity(x, y, dim=1))

    return block.register_forward_hook(hook)
