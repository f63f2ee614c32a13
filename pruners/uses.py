"""Where a model multiplies activations by its parameters, whatever module does it.

``nn.Linear``, a convolution, the gates of a GRU, the fused projection of an attention layer and a
bare ``x @ self.weight`` all arrive as a matrix product or a convolution with a parameter. A
:class:`LinearUse` names the parameter and says which of its dimensions face inputs and outputs;
:class:`UseMode` reports every such product while a model runs, with the activations that enter it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from ..objectives.modes import measuring
from ..task import Inputs, forward
from .kernels import plain_kernels
from .tree import Cut, ModelTree

aten = torch.ops.aten


@dataclass(frozen=True)
class Convolution:
    """Settings of a convolution, a number per spatial dimension each."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    transposed: bool
    groups: int


@dataclass(frozen=True)
class LinearUse:
    """One parameter as the matrix of a linear map.

    Attributes:
        weight: dotted name of the parameter.
        bias: of the parameter that is added, ``None`` where there is none.
        out_dim: dimension of the weight that counts outputs.
        in_dim: dimension that counts inputs (of one group of a grouped convolution).
        convolution: its settings; ``None`` for a matrix product.
    """

    weight: str
    bias: str | None
    out_dim: int
    in_dim: int
    convolution: Convolution | None = None

    @property
    def groups(self) -> int:
        """Groups of a convolution, else 1."""
        return self.convolution.groups if self.convolution else 1

    def to_json(self) -> str:
        """As text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> LinearUse:
        """The use that :meth:`to_json` wrote."""
        data = json.loads(text)
        settings = data.pop("convolution")
        if settings is not None:
            settings = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
        return cls(**data, convolution=None if settings is None else Convolution(**settings))


Visit = Callable[[LinearUse, Tensor], None]
"""Takes a use and its input: (rows, inputs) of a product, (N, C, positions...) of a convolution."""


class UseMode(TorchDispatchMode):
    """Calls ``visit`` at every product of an activation with a parameter of ``model``.

    Parameters that enter any other operation are collected in ``other``.
    """

    def __init__(self, model: nn.Module, visit: Visit) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._visit = visit
        self._named = {id(p): (n, False) for n, p in model.named_parameters()}
        self._views: list[Tensor] = []
        self.other: set[str] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch imports its compiler at first use, which takes seconds

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Report products with parameters; follow transposes and aliases of parameters."""
        result = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        if packet in (aten.t, aten.transpose, aten.detach, aten.alias, aten.permute):
            self._follow(packet, args, result)
        elif packet in (aten.mm, aten.addmm):
            self._product(args[-2], args[-1], args[0] if packet is aten.addmm else None)
        elif packet is aten.convolution:
            self._convolve(*args)
        else:
            self._other(args)
        return result

    def _other(self, args: Sequence[Any]) -> None:
        flat = (a for arg in args for a in (arg if isinstance(arg, list | tuple) else (arg,)))
        self.other.update(self._named[id(a)][0] for a in flat if id(a) in self._named)

    def _follow(self, packet: Any, args: Sequence[Any], view: Any) -> None:
        known = self._named.get(id(args[0]))
        if known is not None and isinstance(view, Tensor) and view.dim() == 2:
            turned = packet in (aten.t, aten.transpose, aten.permute) and is_turned(packet, args)
            self._named[id(view)] = (known[0], known[1] != turned)
            self._views.append(view)

    def _product(self, x: Tensor, matrix: Tensor, bias: Tensor | None) -> None:
        """X @ matrix, where matrix is a parameter (inputs, outputs) or its transpose."""
        known = self._named.get(id(matrix))
        if known is not None and id(x) not in self._named:
            name, turned = known
            out_dim = 0 if turned else 1
            self._visit(LinearUse(name, self._name(bias), out_dim, 1 - out_dim), x)

    def _convolve(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        transposed: bool,
        output_padding: Sequence[int],
        groups: int,
    ) -> None:
        known = self._named.get(id(weight))
        if known is None:
            return
        spatial = weight.dim() - 2
        settings = Convolution(
            spread(stride, spatial),
            spread(padding, spatial),
            spread(dilation, spatial),
            transposed,
            groups,
        )
        use = LinearUse(known[0], self._name(bias), int(transposed), int(not transposed), settings)
        self._visit(use, x)

    def _name(self, bias: Tensor | None) -> str | None:
        known = None if bias is None else self._named.get(id(bias))
        return None if known is None else known[0]


def is_turned(packet: Any, args: Sequence[Any]) -> bool:
    """Whether a transpose or permute of a matrix swaps its two dimensions."""
    if packet is aten.t:
        return True
    dims = args[1] if packet is aten.permute else args[1:3]
    first, second = (d % 2 for d in dims)
    return bool(first != second) if packet is aten.transpose else bool(first == 1)


def spread(values: Sequence[int], spatial: int) -> tuple[int, ...]:
    """One value per spatial dimension."""
    return tuple(values) if len(values) == spatial else (values[0],) * spatial


def visit_uses(model: nn.Module, inputs: Inputs, visit: Visit, *, plain: bool = True) -> set[str]:
    """Run ``model`` in eval mode without gradients and report every use; it is left as it was.

    Args:
        model: any.
        inputs: of one forward.
        visit: hears of the uses.
        plain: run fused kernels as the simple operations that they are made of; without it the
            model runs at its usual speed and uses inside such kernels go unreported.

    Returns:
        Names of the parameters that something else uses too.
    """
    mode = UseMode(model, visit)
    with measuring(model), plain_kernels() if plain else nullcontext(), mode:
        forward(model, inputs)
    return mode.other


def find_uses(model: nn.Module, inputs: Inputs) -> dict[str, LinearUse]:
    """Every parameter that one forward uses as a matrix, by name; the first use counts."""
    found: dict[str, LinearUse] = {}

    def visit(use: LinearUse, x: Tensor) -> None:
        found.setdefault(use.weight, use)

    visit_uses(model, inputs, visit)
    return found


def features(use: LinearUse, weight: Tensor, x: Tensor) -> Tensor:
    """What the rows of the weight's matrix are multiplied by, shape (groups, rows, n).

    n counts the inputs of one group times the kernel, in the order of :func:`matrix`; a constant 1
    is appended where there is a bias. In single precision at least, as :func:`matrix` is.
    """
    u = single(x.flatten(0, -2)[None] if use.convolution is None else patches(use, weight, x))
    if use.bias is not None:
        u = torch.cat([u, u.new_ones(*u.shape[:2], 1)], dim=2)
    return u


def patches(use: LinearUse, weight: Tensor, x: Tensor) -> Tensor:
    """The inputs of every output position of a convolution, shape (groups, rows, n).

    A transposed convolution is the plain one of its inputs spread out by the stride with zeros,
    with the kernel reversed; its outputs beyond the last input are left out.
    """
    settings = use.convolution
    assert settings is not None
    kernel = weight.shape[2:]
    padding, stride = settings.padding, settings.stride
    if settings.transposed:
        x = spread_out(x, stride)
        padding = tuple(
            d * (k - 1) - p for d, k, p in zip(settings.dilation, kernel, padding, strict=True)
        )
        stride = (1,) * len(stride)
    x = F.pad(x, [p for pad in reversed(padding) for p in (pad, pad)])
    for d, (size, step, gap) in enumerate(zip(kernel, stride, settings.dilation, strict=True)):
        x = x.unfold(2 + d, gap * (size - 1) + 1, step)[..., ::gap]  # (N, C, positions..., kernel)
    spatial = len(kernel)
    x = x.unflatten(1, (settings.groups, -1))  # (N, g, C/g, positions..., kernel...)
    x = x.movedim(1, 0).movedim(2, 2 + spatial)  # (g, N, positions..., C/g, kernel...)
    return x.flatten(2 + spatial).flatten(1, 1 + spatial)


def spread_out(x: Tensor, stride: Sequence[int]) -> Tensor:
    """``x`` with stride - 1 zeros between its positions, along every spatial dimension."""
    sizes = [(n - 1) * s + 1 for n, s in zip(x.shape[2:], stride, strict=True)]
    spread_x = x.new_zeros(*x.shape[:2], *sizes)
    spread_x[(slice(None), slice(None), *(slice(None, None, s) for s in stride))] = x
    return spread_x


def matrix(use: LinearUse, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A weight as matrices of its groups, shape (groups, outputs, n), bias last if it is used.

    ``outputs @ features`` is the map: ``y[g] = matrix[g] @ u[g]``. In single precision at least.
    """
    if use.convolution is None:
        flat = weight.movedim(use.out_dim, 0)[None]
    elif use.convolution.transposed:
        flipped = weight.flip(tuple(range(2, weight.dim())))  # (inputs, outputs/g, kernel...)
        flat = flipped.unflatten(0, (use.groups, -1)).transpose(1, 2).flatten(2)
    else:
        flat = weight.unflatten(0, (use.groups, -1)).flatten(2)
    if use.bias is not None and bias is not None:
        flat = torch.cat([flat, bias.reshape(use.groups, -1, 1)], dim=2)
    return single(flat)


def single(values: Tensor) -> Tensor:
    """In single precision at least: half precision cannot be solved in, and its sums overflow."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def set_matrix(use: LinearUse, weight: Tensor, bias: Tensor | None, flat: Tensor) -> None:
    """Write, in place, what :func:`matrix` read, in the precision that the weight has."""
    if use.bias is not None and bias is not None:
        bias.copy_(flat[..., -1].reshape(bias.shape))
        flat = flat[..., :-1]
    if use.convolution is None:
        weight.copy_(flat[0].movedim(0, use.out_dim))
    elif use.convolution.transposed:
        kernel = weight.shape[2:]
        stacked = flat.unflatten(2, (-1, *kernel)).transpose(1, 2).flatten(0, 1)
        weight.copy_(stacked.flip(tuple(range(2, weight.dim()))))
    else:
        weight.copy_(flat.flatten(0, 1).reshape(weight.shape))


def mark_readers(tree: ModelTree, uses: Mapping[str, LinearUse]) -> ModelTree:
    """The tree with ``reads`` set on every cut that removes inputs of a linear map."""

    def marked(cut: Cut) -> Cut:
        use = uses.get(cut.tensor)
        return replace(cut, reads=use is not None and cut.dim == use.in_dim)

    groups = tuple(replace(g, cuts=tuple(map(marked, g.cuts))) for g in tree.groups)
    return replace(tree, groups=groups)
