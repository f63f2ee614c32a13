"""No group is trusted unseen: the cut model must compute what the masked dense model computes.

Both run in float64 on a copy whose constant parameters were made random, so that a wrong index
shows; right groups agree to about 1e-15, wrong ones differ by 1e-5 and more.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from ..task import Inputs, forward
from .rules.state import tensors
from .surgery import cut, mask
from .tree import Excluded, Group, ModelTree

TOLERANCE = 1e-8
DENSITIES = (0.5, 0.75, 0.25)
"""Of the joint checks; every check draws the units anew."""

Keep = Mapping[str, Sequence[int]]


def verify_tree(model: nn.Module, example_inputs: Inputs, tree: ModelTree) -> ModelTree:
    """The tree without the groups that cannot be cut from ``model`` exactly.

    All groups are checked together, then, if that fails, one by one. What is dropped appears in
    ``excluded`` with the reason.
    """
    check = Check(model, example_inputs, tree)
    if not tree.groups or not any(check.joint(tree.groups)):
        return tree
    failed: dict[str, str] = {}
    for group in tree.groups:
        fault = check.fault({group.name: draw(group, 0.5, check.generator)})
        if fault:
            failed[group.name] = fault
    good = [g for g in tree.groups if g.name not in failed]
    while good and (faults := [f for f in check.joint(good) if f]):
        culprit = find_culprit(good, lambda some: bool(any(check.joint(some))))
        failed[culprit.name] = f"only together with others: {faults[0]}"
        good.remove(culprit)
    return without(tree, failed)


def find_culprit(groups: Sequence[Group], fails: Callable[[Sequence[Group]], bool]) -> Group:
    """The group with which the shortest failing prefix of ``groups`` ends."""
    low, high = 0, len(groups)  # a prefix of ``low`` holds, one of ``high`` fails
    while high - low > 1:
        middle = (low + high) // 2
        if fails(groups[:middle]):
            high = middle
        else:
            low = middle
    return groups[high - 1]


def without(tree: ModelTree, failed: Mapping[str, str]) -> ModelTree:
    """The tree after some groups were given up."""
    excluded = tuple(Excluded(name, f"failed its check: {why}") for name, why in failed.items())
    return replace(
        tree,
        groups=tuple(g for g in tree.groups if g.name not in failed),
        attributes=tuple(a for a in tree.attributes if a.group not in failed),
        excluded=tree.excluded + excluded,
    )


class Check:
    """Compares cut and masked copies of one float64 model on random inputs."""

    def __init__(self, model: nn.Module, example_inputs: Inputs, tree: ModelTree) -> None:
        self.generator = torch.Generator().manual_seed(0)
        self.tree = tree
        self.model = randomized(copy.deepcopy(model).double().eval(), self.generator)
        self.inputs = randomized_inputs(example_inputs, self.generator)
        self.dense = self.outputs(self.model)

    def joint(self, groups: Sequence[Group]) -> Iterable[str]:
        """Faults of all groups cut together, at several random choices of units."""
        for density in DENSITIES:
            yield self.fault({g.name: draw(g, density, self.generator) for g in groups})

    def fault(self, keep: Keep) -> str:
        """What is wrong with the model cut to ``keep``; empty when nothing is."""
        try:
            small = self.outputs(cut(self.model, self.tree, keep))
            masked = self.outputs(mask(self.model, self.tree, keep))
        except Exception as error:  # the user's forward may raise anything
            return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        return difference(small, masked)

    def outputs(self, model: nn.Module) -> tuple[Tensor, ...]:
        """All tensors that one eval-mode forward gives."""
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return tensors(forward(model, copy.deepcopy(self.inputs)))


def difference(small: Sequence[Tensor], masked: Sequence[Tensor]) -> str:
    """How outputs differ: in number, shape, or by more than the tolerance; empty if they agree."""
    if len(small) != len(masked):
        return f"gives {len(small)} outputs instead of {len(masked)}"
    for a, b in zip(small, masked, strict=True):
        if a.shape != b.shape:
            return f"gives an output of shape {tuple(a.shape)} instead of {tuple(b.shape)}"
        gap = float((a - b).abs().max() / b.abs().max().clamp_min(1e-30)) if a.numel() else 0.0
        if not gap <= TOLERANCE:
            return f"differs from the masked model by {gap:.1e}"
    return ""


def draw(group: Group, density: float, generator: torch.Generator) -> list[int]:
    """Random units of a group, about ``density`` of them, at least one and not all."""
    kept = min(max(1, round(density * group.width)), group.width - 1)
    return sorted(torch.randperm(group.width, generator=generator)[:kept].tolist())


def randomized(model: nn.Module, generator: torch.Generator) -> nn.Module:
    """The model with vectors, constant parameters and running statistics drawn at random."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() < 2 or bool((parameter == parameter.flatten()[0]).all()):
                fan_in = max(1, parameter[0].numel() if parameter.dim() > 1 else 1)
                draw_into(parameter, generator, 1 / fan_in**0.5)
        for module in model.modules():
            if isinstance(module, _NormBase) and module.running_mean is not None:
                draw_into(module.running_mean, generator)
                draw_into(module.running_var, generator)
    return model


def draw_into(tensor: Tensor | None, generator: torch.Generator, scale: float = 1.0) -> None:
    """Fill a floating-point tensor with numbers in [0.5, 1.5] times ``scale``."""
    if tensor is not None and tensor.is_floating_point():
        values = torch.rand(tensor.shape, generator=generator, dtype=torch.float64) + 0.5
        tensor.copy_(values * scale)


def randomized_inputs(inputs: Any, generator: torch.Generator) -> Any:
    """Inputs of the same shapes, floating-point ones drawn from a normal distribution."""
    if isinstance(inputs, Tensor):
        if not inputs.is_floating_point():
            return inputs
        return torch.randn(inputs.shape, generator=generator, dtype=torch.float64)
    if isinstance(inputs, Mapping):
        return {k: randomized_inputs(v, generator) for k, v in inputs.items()}
    if isinstance(inputs, list | tuple):
        return tuple(randomized_inputs(v, generator) for v in inputs)
    return inputs
