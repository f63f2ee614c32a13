"""Further example inputs for models that do not run all of their modules on every input."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from ..copies import copy_model
from ..task import Inputs, forward

PATIENCE = 12
"""Redrawn inputs in a row that wake nothing, after which the rest is taken to sleep for good."""


def woken(model: nn.Module, examples: Sequence[Inputs]) -> list[Inputs]:
    """The examples, and such redrawn ones as run modules that slept so far (experts, branches).

    Args:
        model: any module; it is left as it was.
        examples: what one forward takes, several times.
    """
    found = list(examples)
    owners = {n for n, m in model.named_modules() if any(True for _ in m.parameters(recurse=False))}
    awake = set().union(*(running(model, inputs) for inputs in examples))
    generator = torch.Generator().manual_seed(0)
    tries = 0
    while tries < PATIENCE and not owners <= awake:
        inputs = redrawn(examples[0], generator, scale=1 + 3 * (tries % 2))
        tries += 1
        if more := (running(model, inputs) & owners) - awake:
            awake |= more
            found.append(inputs)
            tries = 0
    return found


def running(model: nn.Module, inputs: Inputs) -> set[str]:
    """Names of the modules that run on these inputs in eval or in train mode."""
    shadow = copy_model(model, {id(p): p for p in model.parameters()})
    names: set[str] = set()
    for name, module in shadow.named_modules():
        module.register_forward_pre_hook(lambda *_, name=name: names.add(name))
    for training in (False, True):
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                forward(shadow.train(training), copy.deepcopy(inputs))
        except Exception:
            continue
    return names


def redrawn(inputs: Inputs, generator: torch.Generator, scale: float) -> Inputs:
    """Inputs of the same shapes: normal numbers, whole ones in the range of those given."""

    def redraw(value: Any) -> Any:
        if not isinstance(value, Tensor) or value.dtype is torch.bool or not value.numel():
            return value
        if value.is_floating_point():
            return (scale * torch.randn(value.shape, generator=generator)).to(value)
        if value.is_complex():
            return value
        low, high = int(value.min()), int(value.max())
        return torch.randint(low, high + 1, value.shape, generator=generator).to(value)

    result: Inputs = tree_map(redraw, inputs)
    return result
