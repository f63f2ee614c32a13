"""Deep copies of modules, faster than ``copy.deepcopy`` and of models it refuses."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def copy_model(model: M, replaced: Mapping[int, Any] | None = None) -> M:
    """A deep copy; what ``replaced`` names by id is taken from there instead.

    Every module holds a dozen empty dictionaries for hooks, whose copying by reflection takes most
    of the time of ``copy.deepcopy``; they are made new instead. Tensors that were computed and kept
    as an attribute (``torch.nn.utils.weight_norm`` does) are copied without their history.
    """
    memo: dict[int, Any] = {}
    for module in model.modules():
        for value in vars(module).values():
            if isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
            elif type(value) in (dict, OrderedDict, set) and not value:
                memo[id(value)] = type(value)()
    return copy.deepcopy(model, memo | dict(replaced or {}))
