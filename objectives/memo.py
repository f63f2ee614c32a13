"""Numbers of the dense model that are the same for all trials: computed once, then remembered."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar
from weakref import WeakKeyDictionary

from torch import nn

T = TypeVar("T")

_known: WeakKeyDictionary[nn.Module, dict[Hashable, object]] = WeakKeyDictionary()


def once(model: nn.Module, key: Hashable, compute: Callable[[], T]) -> T:
    """``compute()``, at the first call for this model object and key; later the same value.

    For models that do not change any more. The memory of a model goes with the model.
    """
    values = _known.setdefault(model, {})
    if key not in values:
        values[key] = compute()
    return values[key]  # type: ignore[return-value]
