"""Torch-Pruning on the same models: its own pruner at a uniform ratio, judged by the forward."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from hierprune.pruners.rules.state import tensors
from hierprune.task import Inputs, forward


def torch_pruning(model: nn.Module, inputs: Inputs, ratio: float) -> str:
    """Share of parameters removed, or what went wrong; outputs' shapes must stay."""
    import torch_pruning as tp

    model = copy.deepcopy(model).eval()
    with torch.no_grad():
        shapes = [t.shape for t in tensors(forward(model, inputs))]
    before = sum(p.numel() for p in model.parameters())
    try:
        pruner = tp.pruner.BasePruner(
            model,
            inputs,
            importance=tp.importance.MagnitudeImportance(p=2),
            pruning_ratio=ratio,
            ignored_layers=output_layers(model, inputs),
            forward_fn=forward,
            in_channel_groups={},
            out_channel_groups={},
        )
        pruner.step()
        with torch.no_grad():
            after = [t.shape for t in tensors(forward(model, inputs))]
    except Exception as error:
        return f"fails: {type(error).__name__}"
    if after != shapes:
        return "changes the output"
    return f"{1 - sum(p.numel() for p in model.parameters()) / before:.2f}"


def output_layers(model: nn.Module, inputs: Inputs) -> list[nn.Module]:
    """Linear layers and convolutions whose output is an output of the model."""
    made: dict[int, nn.Module] = {}
    keep: list[Any] = []

    def note(module: nn.Module, args: Any, output: Any) -> None:
        if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
            made[id(output)] = module
            keep.append(output)

    handles = [m.register_forward_hook(note) for m in model.modules()]
    with torch.no_grad():
        outputs = tensors(forward(model, inputs))
    for handle in handles:
        handle.remove()
    return [made[id(t)] for t in outputs if id(t) in made]
