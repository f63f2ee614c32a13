"""Models whose forward cannot be followed, told before any work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from ..errors import UsageError


def require_traceable(model: nn.Module) -> None:
    """Check that every module is plain Python with parameters of known shape.

    Raises:
        UsageError: a module that was compiled, or one whose parameters have no shape yet.
    """
    for name, module in model.named_modules():
        place = f"module {name!r}" if name else "the model"
        if isinstance(module, torch.jit.ScriptModule):
            raise UsageError(
                f"{place} was compiled by torch.jit, so its forward cannot be followed; "
                "give it as it was before torch.jit.script or torch.jit.trace"
            )
        if isinstance(getattr(module, "_orig_mod", None), nn.Module):
            raise UsageError(
                f"{place} was compiled by torch.compile, so its forward cannot be followed; "
                "give it as it was before torch.compile, and compile what comes out"
            )
        if any(is_lazy(p) for p in module.parameters(recurse=False)):
            raise UsageError(
                f"{place} has parameters without a shape ({type(module).__name__}); "
                "run the model once on example inputs before it is given"
            )


@contextmanager
def higher_order_refused() -> Iterator[None]:
    """Turn PyTorch's complaint about operators on functions into a plain refusal."""
    try:
        yield
    except NotImplementedError as error:
        if "HigherOrderOperator" not in str(error):
            raise
        name = str(error).partition("HigherOrderOperator ")[2].split(" ")[0]
        raise UsageError(
            f"the model calls torch's {name or 'higher-order operator'} on functions, which cannot "
            "be followed; use a plain `if`, a loop or scaled_dot_product_attention instead"
        ) from None
