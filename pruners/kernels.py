"""Running composite operations as the simple ones they are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode


@contextmanager
def plain_kernels() -> Iterator[None]:
    """No fused kernels for attention, encoder layers and recurrent layers, and no gradients."""
    fast, mkldnn = torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled
    torch.backends.mha.set_fastpath_enabled(False)
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        torch.backends.mkldnn.enabled = mkldnn


DECIDING = {"gt", "ge", "lt", "le", "eq", "ne", "_local_scalar_dense"}
"""What stands between a tensor of one number and a decision of the Python code."""


class DoublePrecision(TorchDispatchMode):
    """Turns every conversion to float32 into one to float64, and notes what decisions hang on.

    Models that compute a softmax or a norm in float32 whatever their own precision is would
    otherwise round differently at different widths.

    Attributes:
        decisions: the single numbers that were compared or read into Python, in order.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.decisions: list[Tensor] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """One operation."""
        if args and func.overloadpacket.__name__ in DECIDING:
            first = args[0]
            if isinstance(first, Tensor) and first.numel() == 1 and first.device.type != "meta":
                self.decisions.append(first.detach().clone().reshape(()))
        options = dict(kwargs or {})
        if options.get("dtype") is torch.float32:
            options["dtype"] = torch.float64
        return func(*args, **options)
