"""Whether a cut is exact: cut and masked copies of one float64 model on random inputs."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd
from torch.utils._pytree import tree_map

from ..copies import copy_model
from ..task import Inputs, forward
from .kernels import DoublePrecision, double_by_default, plain_kernels
from .masking import LivingStatistics
from .rules.state import tensors
from .surgery import cut, mask, named_tensors
from .tree import Group, ModelTree
from .ways import Steps

TOLERANCE = 1e-8
"""Relative to the largest output: exact cuts were seen to differ by 1e-15, wrong ones by 1e-5."""


@dataclass(frozen=True)
class Answer:
    """What one model gave.

    Attributes:
        outputs: all tensors of the chosen outputs.
        decisions: what was compared, ranked, rounded or read into Python. It must agree too, since
            on other inputs a difference in front of a comparison shows behind it.
    """

    outputs: tuple[Tensor, ...]
    decisions: tuple[Tensor, ...]


class Oracle:
    """A model prepared for comparing its cut copies with its masked copies.

    Args:
        model: the dense model; copied.
        examples: what one forward takes, several times; floating-point tensors are redrawn.
        chosen: picks the outputs that must keep their shape and values out of what a forward gives.
        seed: of everything random.
        survivors: whether statistics over units run over those that stay.
    """

    def __init__(
        self,
        model: nn.Module,
        examples: Sequence[Inputs],
        chosen: Callable[[Any], Any] = lambda outputs: outputs,
        seed: int = 0,
        survivors: bool = False,
    ) -> None:
        self.survivors = survivors
        self.generator = torch.Generator().manual_seed(seed)
        self.model = randomized(copy_model(model).double().eval(), self.generator)
        self.examples = [randomized_inputs(inputs, self.generator) for inputs in examples]
        self.chosen = chosen
        self.attempt(self.model)  # models in use hold what their forwards keep

    @cached_property
    def trains(self) -> bool:
        """Whether the dense model runs in train mode."""
        return not isinstance(self.attempt(self.model, training=True), str)

    @cached_property
    def hollow(self) -> nn.Module:
        """The model without numbers, for sizes alone; itself where the forward needs numbers."""
        empty = {
            id(t): nn.Parameter(t.to("meta")) if isinstance(t, nn.Parameter) else t.to("meta")
            for t in named_tensors(self.model).values()
        }
        hollow = copy_model(self.model, empty)
        return self.model if isinstance(self.attempt(hollow), str) else hollow

    def statistics(self) -> AbstractContextManager[Any]:
        """How the masked model computes means and variances."""
        if not self.survivors:
            return nullcontext()
        return LivingStatistics()  # type: ignore[no-untyped-call]

    def choice(self, n: int) -> int:
        """A random number below ``n``."""
        return int(torch.randint(n, (), generator=self.generator))

    def order(self, n: int) -> list[int]:
        """The numbers below ``n`` shuffled."""
        return torch.randperm(n, generator=self.generator).tolist()

    def draw(self, group: Group, low: float, high: float) -> list[int]:
        """Random units of a group at a density between two; some go, unless ``low`` is 1."""
        density = low + (high - low) * float(torch.rand((), generator=self.generator))
        kept = draw(group, density, self.generator)
        return kept if low == 1 else kept[: group.width - 1]

    def crash(self, tree: ModelTree, keep: Mapping[str, Sequence[int]]) -> str:
        """The error of the model cut to ``keep``; empty when it runs."""
        result = self.attempt(cut(self.hollow, tree, keep, share=True))
        return result if isinstance(result, str) else ""

    def steps(self, tree: ModelTree, keep: Mapping[str, Sequence[int]]) -> Counter[str] | str:
        """How often which operation runs in the model cut to ``keep``, or its error."""
        small = cut(self.hollow, tree, keep, share=True)
        with Steps() as steps:
            result = self.attempt(small)
        return result if isinstance(result, str) else steps.counts

    def fault(self, tree: ModelTree, keep: Mapping[str, Sequence[int]]) -> str:
        """What is wrong with the model cut to ``keep``; empty when nothing is."""
        small = self.answer(cut(self.model, tree, keep, share=True))
        if isinstance(small, str):
            return small
        with plain_kernels(), self.statistics():
            masked = self.answer(mask(self.model, tree, keep, share=True))
        return masked if isinstance(masked, str) else disagreement(small, masked)

    def fault_in_training(self, tree: ModelTree, keep: Mapping[str, Sequence[int]]) -> str:
        """What is wrong in train mode, dropout left out; empty where the dense model fails too."""
        small = self.answer(cut(self.model, tree, keep, share=True), training=True)
        if isinstance(small, str):
            return small if self.trains else ""
        with plain_kernels(), self.statistics():
            masked = self.answer(mask(self.model, tree, keep, share=True), training=True)
            if isinstance(masked, str) or not (fault := disagreement(small, masked)):
                return ""
            again = self.answer(mask(self.model, tree, keep, share=True), training=True, seed=1)
        if isinstance(again, str) or disagreement(masked, again):
            return ""  # random in itself: that it runs is all there is to see
        return fault

    def attempt(self, model: nn.Module, *, training: bool = False) -> tuple[Tensor, ...] | str:
        """All tensors of the chosen outputs for every example, or the error."""
        given = self.answer(model, training=training)
        return given if isinstance(given, str) else given.outputs

    def answer(self, model: nn.Module, *, training: bool = False, seed: int = 0) -> Answer | str:
        """What a model gives for every example and what it decides on the way, or the error."""
        prepare(model, training)
        double = DoublePrecision()
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        made = device if device.type == "meta" else nullcontext()
        try:
            with (
                torch.no_grad(),
                double_by_default(),
                torch.random.fork_rng(devices=[]),
                double,
                made,
            ):
                torch.manual_seed(seed)
                examples = [moved(inputs, device) for inputs in self.examples]
                outputs = [forward(model, inputs) for inputs in examples]
        except Exception as error:  # the user's forward may raise anything
            message = str(error).strip().splitlines()
            return f"{type(error).__name__}: {message[0] if message else ''}"
        given = (t for o in outputs for t in tensors(self.chosen(o)))
        return Answer(tuple(given), tuple(double.decisions))


def moved(inputs: Inputs, device: torch.device) -> Inputs:
    """A copy of the inputs on a device."""
    there: Inputs = tree_map(
        lambda v: v.to(device) if isinstance(v, Tensor) else v, copy.deepcopy(inputs)
    )
    return there


def prepare(model: nn.Module, training: bool) -> None:
    """Set the mode, dropout always off."""
    model.train(training)
    for module in model.modules():
        if isinstance(module, _DropoutNd):
            module.eval()
        if isinstance(module, nn.RNNBase):
            module.dropout = 0.0


def disagreement(small: Answer, masked: Answer) -> str:
    """How outputs or decisions differ; empty if they agree.

    Decisions over units, whose number differs, are seen in the outputs.
    """
    if fault := difference(small.outputs, masked.outputs):
        return fault
    if len(small.decisions) != len(masked.decisions):
        return "takes other decisions than the masked model"
    for a, b in zip(small.decisions, masked.decisions, strict=True):
        if a.shape == b.shape and not (gap := relative_gap(a, b)) <= TOLERANCE:
            return f"decides by numbers that differ from the masked model's by {gap:.1e}"
    return ""


def difference(small: Sequence[Tensor], masked: Sequence[Tensor]) -> str:
    """How outputs differ: in number, shape, or by more than the tolerance; empty if they agree."""
    if len(small) != len(masked):
        return f"gives {len(small)} outputs instead of {len(masked)}"
    for a, b in zip(small, masked, strict=True):
        if a.shape != b.shape:
            return f"gives an output of shape {tuple(a.shape)} instead of {tuple(b.shape)}"
        gap = relative_gap(a, b)
        if not gap <= TOLERANCE:
            return f"differs from the masked model by {gap:.1e}"
    return ""


def relative_gap(a: Tensor, b: Tensor) -> float:
    """Largest difference of two outputs over the largest finite value of ``b``.

    Equal infinities are no difference; outputs that are no real or complex numbers, such as masks
    and class numbers, must be equal.
    """
    if not (a.is_floating_point() or a.is_complex()):
        return 0.0 if torch.equal(a, b) else float("inf")
    sizes = b.abs()
    finite = sizes[torch.isfinite(sizes)]
    scale = finite.max().clamp_min(1e-30) if finite.numel() else 1.0
    gaps = torch.where(a == b, 0.0, (a - b).abs()) / scale
    return float(gaps.max()) if gaps.numel() else 0.0


def draw(group: Group, density: float, generator: torch.Generator) -> list[int]:
    """Random units of a group, about ``density`` of them, at least one."""
    kept = max(1, round(density * group.width))
    return sorted(torch.randperm(group.width, generator=generator)[:kept].tolist())


def randomized(model: nn.Module, generator: torch.Generator) -> nn.Module:
    """The model with vectors, constant parameters and running statistics drawn at random."""
    with torch.no_grad():
        for parameter in (p for p in model.parameters() if p.numel()):
            if parameter.dim() < 2 or bool((parameter == parameter.flatten()[:1]).all()):
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
