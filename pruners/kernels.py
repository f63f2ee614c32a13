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


DECIDING = frozenset(
    [
        "gt",
        "ge",
        "lt",
        "le",
        "eq",
        "ne",
        "_local_scalar_dense",
        "argmax",
        "argmin",
        "topk",
        "sort",
        "sign",
        "floor",
        "ceil",
        "round",
        "trunc",
        "bucketize",
        "searchsorted",
        "heaviside",
    ]
)
"""What makes few values out of many: small differences in front of it show behind it or not."""
MAX_NOTED = 10_000_000


class DoublePrecision(TorchDispatchMode):
    """Turns every conversion to float32 into one to float64, and notes what decisions hang on.

    Models that compute a softmax or a norm in float32 whatever their own precision is would
    otherwise round differently at different widths.

    Attributes:
        decisions: what was compared, ranked, rounded or read into Python, in order.
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
        if func.overloadpacket.__name__.rstrip("_") in DECIDING:
            operands = [a for a in args if isinstance(a, Tensor) and a.numel() <= MAX_NOTED]
            self.decisions += [a.detach().clone() for a in operands if a.device.type != "meta"]
        options = dict(kwargs or {})
        if options.get("dtype") is torch.float32:
            options["dtype"] = torch.float64
        if func.overloadpacket.__name__ == "_grouped_mm" and args[0].dtype is torch.float64:
            return grouped_product(*args, **options)
        return func(*args, **options)


def grouped_product(x: Tensor, matrices: Tensor, ends: Tensor, *_: Any, **__: Any) -> Tensor:
    """Rows of ``x`` (m, k) up to ``ends[g]`` times ``matrices[g]`` (experts, k, n), any precision.

    PyTorch's own kernel knows no double precision.
    """
    starts = [0, *ends.tolist()]
    spans = zip(starts, starts[1:], matrices, strict=False)
    return torch.cat([x[a:b] @ matrix for a, b, matrix in spans])


@contextmanager
def double_by_default() -> Iterator[None]:
    """Tensors made without a type are of double precision, as the model beside them is."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
