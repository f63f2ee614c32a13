"""Multiply-accumulates of one forward, zero weights not counted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ..task import Inputs, forward
from .modes import measuring


def count_macs(model: nn.Module, inputs: Inputs) -> float:
    """Multiply-accumulates of one forward in eval mode, without those by a zero weight.

    Counted are matrix products and convolutions wherever they happen (recurrent layers and
    attention included), by the formulas of :mod:`torch.utils.flop_counter`. Every element of a
    weight takes part in equally many, so a product with a weight of density d counts d times its
    dense number. Products of activations count in full; additions, biases, normalisations and
    activation functions do not count. The number is of the whole batch ``inputs``.
    """
    counter = _Counter(model)
    with measuring(model), _plain_kernels(), counter:
        forward(model, inputs)
    return counter.macs


@contextlib.contextmanager
def _plain_kernels() -> Iterator[None]:
    """Have recurrent layers and attention run as the matrix products that they consist of."""
    mkldnn, mha = torch.backends.mkldnn, torch.backends.mha
    before = bool(mkldnn.enabled), mha.get_fastpath_enabled()
    try:
        mkldnn.enabled = False  # type: ignore[assignment]
        mha.set_fastpath_enabled(False)
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        mkldnn.enabled = before[0]  # type: ignore[assignment]
        mha.set_fastpath_enabled(before[1])


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call, unused-ignore]
    """Adds up the multiply-accumulates of every operation that runs under it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.macs = 0.0
        self.weights = {p.untyped_storage().data_ptr() for p in model.parameters()}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch imports its compiler at first use, which takes seconds

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run the operation; where it multiplies, add its work."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        flops = flop_registry.get(func.overloadpacket)
        if flops is not None:
            density = min(self.density(value) for value in args)
            self.macs += flops(*args, **kwargs, out_val=out) / 2 * density
        return out

    def density(self, value: Any) -> float:
        """Share of non-zeros of a weight, or of a view of one; 1 for anything else."""
        if not isinstance(value, Tensor) or value.dim() < 2:
            return 1.0
        if value.untyped_storage().data_ptr() not in self.weights:
            return 1.0
        return int(value.count_nonzero()) / value.numel()
