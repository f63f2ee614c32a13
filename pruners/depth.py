"""Whole residual blocks: which can be left out, and the model without them.

A block is residual when it adds something to its input: with all its parameters zero it is the
identity, so leaving it out equals zeroing it. That is tested, not guessed from names: every module
that gives a tensor of the shape of its first input is run with zeroed parameters. Of nested blocks
the innermost are taken.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ..copies import copy_model
from ..task import Inputs, forward
from .kernels import plain_kernels
from .tree import Cut, Group

KIND = "block"


class Skip(nn.Module):
    """Stands where a residual block was: gives its first input."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The input."""
        return x


def find_blocks(model: nn.Module, example_inputs: Inputs) -> tuple[Group, ...]:
    """One group of a single unit for every residual block, in the order of the forward pass.

    Args:
        model: any module; it is left as it was.
        example_inputs: what one forward takes.
    """
    shadow = copy_model(model).eval()
    residual = [
        name
        for name, inputs in block_inputs(shadow, example_inputs).items()
        if is_identity_when_zero(shadow.get_submodule(name), inputs)
    ]
    inner = [n for n in residual if not any(o.startswith(f"{n}.") for o in residual)]
    return tuple(block_group(model, name) for name in inner)


def block_inputs(model: nn.Module, example_inputs: Inputs) -> dict[str, tuple[Any, Any]]:
    """Arguments of every composite module that keeps the shape of its first one, by name.

    Modules that run more than once are left out.
    """
    watches = {
        name: Watch(module)
        for name, module in model.named_modules()
        if name and any(True for _ in module.children())
    }
    try:
        with plain_kernels():
            forward(model, copy.deepcopy(example_inputs))
    finally:
        for watch in watches.values():
            watch.remove()
    return {n: w.call for n, w in watches.items() if w.keeps_shape and w.calls == 1}


class Watch:
    """Remembers what a module was called with, and whether it kept the shape of its input."""

    def __init__(self, module: nn.Module) -> None:
        self.call: tuple[Any, Any] = ((), {})
        self.calls = 0
        self.keeps_shape = False
        self._handles = (
            module.register_forward_pre_hook(self._enter, with_kwargs=True),
            module.register_forward_hook(self._leave),
        )

    def _enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        self.calls += 1
        try:
            self.call = copy.deepcopy((args, kwargs))  # the module may change them in place
        except Exception:  # anything may be passed, also what cannot be copied
            self.call = ((), {})

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        first = self.call[0][0] if self.call[0] else None
        self.keeps_shape = isinstance(output, Tensor) and is_like(first, output)

    def remove(self) -> None:
        """Stop watching."""
        for handle in self._handles:
            handle.remove()


def is_like(x: Any, y: Tensor) -> bool:
    """Whether ``x`` is a tensor of the shape and type of ``y``."""
    return isinstance(x, Tensor) and x.shape == y.shape and x.dtype == y.dtype


@torch.no_grad()
def is_identity_when_zero(block: nn.Module, call: tuple[Any, Any]) -> bool:
    """Whether a block with parameters gives its input back when they are all zero."""
    zeroed = copy_model(block)
    parameters = list(zeroed.parameters())
    for parameter in parameters:
        parameter.zero_()
    args, kwargs = copy.deepcopy(call)
    x = args[0].clone()
    try:
        output = zeroed(*args, **kwargs)
    except Exception:  # the user's forward may raise anything
        return False
    return bool(parameters) and torch.allclose(output, x, rtol=0, atol=1e-6)


def block_group(model: nn.Module, name: str) -> Group:
    """The group of one block; its parameters go with its only unit."""
    shared = {id(p) for p in outside(model, name)}
    cuts = tuple(
        Cut(f"{name}.{n}", -1, ())
        for n, p in model.get_submodule(name).named_parameters()
        if id(p) not in shared
    )
    return Group(name, name.rpartition(".")[0], KIND, cuts, size=1, floor=0)


def outside(model: nn.Module, name: str) -> Iterator[nn.Parameter]:
    """Parameters that modules outside a block use."""
    inside = {id(m) for m in model.get_submodule(name).modules()}
    for module in model.modules():
        if id(module) not in inside:
            yield from module.parameters(recurse=False)


def without_blocks(model: nn.Module, names: Iterable[str]) -> nn.Module:
    """A copy of ``model`` with these blocks left out."""
    smaller = copy_model(model)
    for name in names:
        smaller.set_submodule(name, Skip())
    return smaller
