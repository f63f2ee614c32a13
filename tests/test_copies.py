import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import weight_norm

from hierprune.copies import copy_model


def test_a_copy_shares_nothing_with_its_model():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.LSTM(4, 4))
    twin = copy_model(model)
    assert all(torch.equal(v, twin.state_dict()[k]) for k, v in model.state_dict().items())
    own = {id(v) for m in model.modules() for v in vars(m).values() if isinstance(v, dict | set)}
    theirs = {id(v) for m in twin.modules() for v in vars(m).values() if isinstance(v, dict | set)}
    assert not own & theirs
    twin[0].register_forward_hook(lambda *_: None)
    assert not model[0]._forward_hooks


@pytest.mark.filterwarnings("ignore:.*weight_norm")
def test_tensors_computed_in_advance_are_copied_where_deepcopy_refuses():
    model = weight_norm(nn.Linear(3, 4))
    x = torch.randn(2, 3)
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(model)
    assert torch.equal(copy_model(model)(x), model(x))


def test_what_is_named_is_taken_instead():
    model = nn.Linear(3, 4)
    assert copy_model(model, {id(model.weight): model.weight}).weight is model.weight
