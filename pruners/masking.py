"""The dense model with units switched off, as the reference for a cut one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils._python_dispatch import TorchDispatchMode


def faded(
    tensors: Mapping[str, Tensor], removed: Mapping[tuple[str, int], Sequence[int]]
) -> dict[int, Tensor]:
    """Copies of tensors with positions switched off, by the id of the tensor they replace.

    Floating-point numbers become so small that they count as zero beside any other, but a row of
    them still has a direction, which weight normalisation divides out.
    """
    copies: dict[str, Tensor] = {}
    for (name, dim), positions in removed.items():
        if name not in copies:
            copies[name] = tensors[name].detach().clone()
        fade(copies[name], dim, positions)
    return {
        id(tensors[name]): nn.Parameter(copy, requires_grad=tensors[name].requires_grad)
        if isinstance(tensors[name], nn.Parameter)
        else copy
        for name, copy in copies.items()
    }


def fade(tensor: Tensor, dim: int, positions: Sequence[int]) -> None:
    """Scale positions down to about the square root of the smallest number."""
    index = torch.tensor(positions, device=tensor.device)
    if tensor.is_floating_point():
        scale = torch.finfo(tensor.dtype).tiny ** 0.45
        tensor.index_copy_(dim, index, tensor.index_select(dim, index) * scale)
    else:
        tensor.index_fill_(dim, index, 0)


@dataclass(frozen=True)
class OverSurvivors:
    """The forward of a normalisation of dense shape that sees only the positions that stay.

    Attributes:
        norm: the cut module.
        size: positions of the dense dimension.
        stay: those that the cut module has.
    """

    norm: nn.Module
    size: int
    stay: Tensor

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Gather, normalise, scatter; removed positions are zero."""
        dims = [d for d in (x.dim() - 1, 1) if x.shape[d] == self.size]
        try:
            return self.along(dims[0], x, *args, **kwargs)
        except RuntimeError:  # a square input, and its channels lie along the other dimension
            return self.along(dims[-1], x, *args, **kwargs)

    def along(self, dim: int, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The same for units along ``dim``."""
        small: Tensor = self.norm(x.index_select(dim, self.stay), *args, **kwargs)
        return small.new_zeros(x.shape).index_copy(dim, self.stay, small)


@dataclass(frozen=True)
class OverLiving:
    """The forward of a normalisation without parameters that sees only units that are not faded.

    Attributes:
        norm: the cut module, where units are missing.
        whole: the forward of the dense module, where none is.
    """

    norm: nn.Module
    whole: Callable[..., Any]

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Gather, normalise, scatter; faded positions are zero."""
        clear = is_clear(x)
        alone = not any(isinstance(a, Tensor) for a in (*args, *kwargs.values()))
        for dim in dict.fromkeys((x.dim() - 1, 1)) if alone else ():
            lit = clear.any(axis=tuple(d for d in range(x.dim()) if d != dim))
            stay = torch.from_numpy(np.flatnonzero(lit)).to(x.device)
            if 0 < len(stay) < x.shape[dim]:
                small: Tensor = self.norm(x.index_select(dim, stay), *args, **kwargs)
                return small.new_zeros(x.shape).index_copy(dim, stay, small)
        return self.whole(x, *args, **kwargs)


class LivingStatistics(TorchDispatchMode):
    """Means, variances and standard deviations over the positions that are not faded."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """One operation."""
        if func.overloadpacket.__name__ in STATISTICS and args[0].is_floating_point():
            dims = args[1] if len(args) > 1 else (kwargs or {}).get("dim")
            args = (living(args[0], dims), *args[1:])
        return func(*args, **(kwargs or {}))


STATISTICS = frozenset({"mean", "var", "std", "var_mean", "std_mean"})


def living(x: Tensor, dims: Sequence[int] | int | None) -> Tensor:
    """The tensor without those positions of ``dims`` (of all, if none is given) that are faded.

    What is faded is almost nothing everywhere; zeros everywhere are the model's own.
    """
    given = [dims] if isinstance(dims, int) else dims or range(x.dim())
    for dim in (d % x.dim() for d in given):
        rest = tuple(d for d in range(x.dim()) if d != dim)
        nothing = (x == 0).cpu().numpy().all(axis=rest)
        stay = np.flatnonzero(is_clear(x).any(axis=rest) | nothing)
        if 0 < len(stay) < x.shape[dim]:
            x = x.index_select(dim, torch.from_numpy(stay).to(x.device))
    return x


def is_clear(x: Tensor) -> np.ndarray:
    """Where a tensor is not faded, found outside PyTorch, where a check sees no comparison."""
    clear: np.ndarray = np.abs(x.detach().cpu().numpy()) > torch.finfo(x.dtype).tiny ** 0.3
    return clear


def survivors_only(
    masked: nn.Module, small: nn.Module, removed: Mapping[tuple[str, int], Sequence[int]]
) -> None:
    """Let every normalisation of ``masked`` that lost units run as its cut twin in ``small``."""
    twins = dict(small.named_modules())
    for path, module in masked.named_modules():
        if not is_norm(module):
            continue
        if not [*module.parameters(), *module.buffers()]:
            module.forward = OverLiving(twins[path], module.forward)
        for name, tensor in module.named_parameters(recurse=False):
            full = f"{path}.{name}" if path else name
            for dim in range(tensor.dim()):
                if positions := removed.get((full, dim)):
                    stay = torch.ones(tensor.shape[dim], dtype=torch.bool, device=tensor.device)
                    stay[list(positions)] = False
                    twin = OverSurvivors(twins[path], len(stay), stay.nonzero().flatten())
                    module.forward = twin


def is_norm(module: nn.Module) -> bool:
    """Whether the module, by its name, is a normalisation with statistics over its units."""
    return names_norm(module) and not isinstance(module, _NormBase)


def names_norm(module: nn.Module) -> bool:
    """Whether the class is called a norm (GRN: global response normalisation)."""
    name = type(module).__name__.lower()
    return "norm" in name or name.endswith("grn")
