"""Sizes that PyTorch's own modules store beside their weights, read back from the weights."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd


def update_sizes(dense: nn.Module, small: nn.Module) -> None:
    """Make the sizes stored in every module of ``small`` those of its weights.

    ``dense`` is the model that ``small`` is a cut copy of, module by module.
    """
    for old, new in zip(dense.modules(), small.modules(), strict=True):
        if isinstance(new, _ConvNd):
            update_convolution(old, new)
        else:
            update_module(new)


def update_convolution(old: nn.Module, new: _ConvNd) -> None:
    """Channels and groups; where groups have one channel on a side, whole groups went."""
    assert isinstance(old, _ConvNd)
    first, second = new.weight.shape[:2]
    if new.groups > 1 and (old.in_channels == old.groups or old.out_channels == old.groups):
        new.groups = first * old.groups // old.weight.shape[0]
    ends = (first, second * new.groups)
    new.in_channels, new.out_channels = ends if new.transposed else ends[::-1]


def update_module(module: nn.Module) -> None:
    """Sizes of one module that is no convolution."""
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.Bilinear):
        module.out_features, module.in1_features, module.in2_features = module.weight.shape
    elif isinstance(module, _NormBase):
        vector = module.running_mean if module.running_mean is not None else module.weight
        module.num_features = module.num_features if vector is None else len(vector)
    elif isinstance(module, nn.LayerNorm | nn.RMSNorm) and module.weight is not None:
        module.normalized_shape = tuple(module.weight.shape)
    elif isinstance(module, nn.GroupNorm) and module.weight is not None:
        module.num_channels = len(module.weight)
    elif isinstance(module, nn.Embedding | nn.EmbeddingBag):
        module.embedding_dim = module.weight.shape[1]
    elif isinstance(module, nn.PReLU):
        module.num_parameters = module.weight.numel()
    elif isinstance(module, nn.RNNBase):
        update_rnn(module)
    elif isinstance(module, nn.RNNCellBase):
        module.hidden_size, module.input_size = module.weight_hh.shape[1], module.weight_ih.shape[1]


def update_rnn(module: nn.RNNBase) -> None:
    """Input, hidden and projection size of a recurrent layer."""
    into, recurrent = module.get_parameter("weight_ih_l0"), module.get_parameter("weight_hh_l0")
    gates = {"LSTM": 4, "GRU": 3}.get(module.mode, 1)
    module.input_size, module.hidden_size = into.shape[1], recurrent.shape[0] // gates
    if module.proj_size:
        module.proj_size = recurrent.shape[1]
