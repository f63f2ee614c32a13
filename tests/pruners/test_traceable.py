import re

import pytest
import torch
from torch import nn

from hierprune.errors import UsageError
from hierprune.pruners.trace import build_tree
from hierprune.pruners.traceable import higher_order_refused
from hierprune.pruners.tree_cache import find_tree


class Compiled(nn.Module):
    """What ``torch.compile`` makes of a module, without the seconds that importing it takes."""

    def __init__(self):
        super().__init__()
        self._orig_mod = nn.Linear(4, 2)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (nn.Sequential(nn.Linear(4, 6), nn.LazyLinear(2)), "'1' has parameters without a shape"),
        (nn.Sequential(Compiled()), "module '0' was compiled by torch.compile"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_the_way_out(model, said):
    for find in (build_tree, find_tree):
        with pytest.raises(UsageError, match=re.escape(said)):
            find(model, torch.randn(2, 4))


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_scripted_modules_are_named():
    model = nn.Sequential(nn.Linear(4, 6), torch.jit.script(nn.Linear(6, 2)))
    with pytest.raises(UsageError, match=r"module '1' was compiled by torch\.jit"):
        build_tree(model, torch.randn(2, 4))


def test_operators_on_functions_are_named():
    said = "There was no rule registered for HigherOrderOperator cond and mode <...>"
    with pytest.raises(UsageError, match="torch's cond on functions"), higher_order_refused():
        raise NotImplementedError(said)
    with pytest.raises(NotImplementedError), higher_order_refused():
        raise NotImplementedError("anything else")
