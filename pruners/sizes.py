"""Sizes that PyTorch's own modules store beside their weights, read back from the weights."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

STORED: tuple[tuple[type[nn.Module], frozenset[str]], ...] = (
    (_ConvNd, frozenset({"in_channels", "out_channels", "groups"})),
    (nn.Linear, frozenset({"in_features", "out_features"})),
    (nn.Bilinear, frozenset({"in1_features", "in2_features", "out_features"})),
    (_NormBase, frozenset({"num_features"})),
    (nn.LayerNorm, frozenset({"normalized_shape"})),
    (nn.RMSNorm, frozenset({"normalized_shape"})),
    (nn.GroupNorm, frozenset({"num_channels"})),
    (nn.Embedding, frozenset({"num_embeddings", "embedding_dim"})),
    (nn.PReLU, frozenset({"num_parameters"})),
    (nn.RNNBase, frozenset({"input_size", "hidden_size", "proj_size", "num_layers"})),
    (nn.RNNCellBase, frozenset({"input_size", "hidden_size", "num_chunks"})),
    (nn.MultiheadAttention, frozenset({"embed_dim", "kdim", "vdim", "head_dim"})),
    (nn.Transformer, frozenset({"d_model", "nhead"})),
)
"""What :func:`update_sizes` sets, or what never follows a width, by type."""
FIXED_CONFIGURATION = frozenset(
    {
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "output_padding",
        "scale_factor",
        "output_size",
    }
)
"""Integers that describe space, never a width."""


def stored_sizes(module: nn.Module) -> frozenset[str]:
    """Names of integers of a module that need no rule of their own."""
    if isinstance(module, nn.LayerNorm | nn.RMSNorm) and module.weight is None:
        return FIXED_CONFIGURATION
    own = [names for kind, names in STORED if isinstance(module, kind)]
    return FIXED_CONFIGURATION.union(*own)


def update_sizes(dense: nn.Module, small: nn.Module) -> None:
    """Make the sizes stored in every module of ``small`` those of its weights.

    ``dense`` is the model that ``small`` is a cut copy of, module by module.
    """
    for old, new in zip(dense.modules(), small.modules(), strict=True):
        if isinstance(new, _ConvNd):
            update_convolution(old, new)
        elif isinstance(new, nn.RNNBase):
            update_rnn(new)
        elif isinstance(new, nn.RNNCellBase):
            new.hidden_size, new.input_size = new.weight_hh.shape[1], new.weight_ih.shape[1]
        elif isinstance(new, nn.MultiheadAttention):
            update_attention(new)
        elif isinstance(new, nn.Transformer):
            update_transformer(new)
        elif isinstance(new, nn.TransformerEncoder):
            update_encoder(old, new)
        elif isinstance(new, _NormBase | nn.LayerNorm | nn.RMSNorm | nn.GroupNorm):
            update_norm(new)
        else:
            update_table(new)


def update_convolution(old: nn.Module, new: _ConvNd) -> None:
    """Channels and groups; where groups have one channel on a side, whole groups went."""
    assert isinstance(old, _ConvNd)
    first, second = new.weight.shape[:2]
    if new.groups > 1 and (old.in_channels == old.groups or old.out_channels == old.groups):
        new.groups = first * old.groups // old.weight.shape[0]
    ends = (first, second * new.groups)
    new.in_channels, new.out_channels = ends if new.transposed else ends[::-1]


def update_norm(module: _NormBase | nn.LayerNorm | nn.RMSNorm | nn.GroupNorm) -> None:
    """What a normalisation runs over."""
    if isinstance(module, _NormBase):
        vector = module.running_mean if module.running_mean is not None else module.weight
        module.num_features = module.num_features if vector is None else len(vector)
    elif module.weight is None:
        return
    elif isinstance(module, nn.GroupNorm):
        module.num_channels = len(module.weight)
    else:
        module.normalized_shape = tuple(module.weight.shape)


def update_table(module: nn.Module) -> None:
    """Modules around one matrix or vector."""
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.Bilinear):
        module.out_features, module.in1_features, module.in2_features = module.weight.shape
    elif isinstance(module, nn.Embedding | nn.EmbeddingBag):
        module.embedding_dim = module.weight.shape[1]
    elif isinstance(module, nn.PReLU):
        module.num_parameters = module.weight.numel()


def update_rnn(module: nn.RNNBase) -> None:
    """Input, hidden and projection size of a recurrent layer."""
    into, recurrent = module.get_parameter("weight_ih_l0"), module.get_parameter("weight_hh_l0")
    gates = {"LSTM": 4, "GRU": 3}.get(module.mode, 1)
    module.input_size, module.hidden_size = into.shape[1], recurrent.shape[0] // gates
    if module.proj_size:
        module.proj_size = recurrent.shape[1]


def update_attention(module: nn.MultiheadAttention) -> None:
    """The widths of attention; the number of heads follows by a rule of the tree."""
    query, key, value = (
        (module.in_proj_weight,) * 3
        if module.in_proj_weight is not None
        else (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
    )
    module.embed_dim, module.kdim, module.vdim = query.shape[1], key.shape[1], value.shape[1]


def update_encoder(old: nn.Module, new: nn.TransformerEncoder) -> None:
    """No nested tensors once it was cut: their kernel knows no odd number of heads."""
    shapes = ([p.shape for p in module.parameters()] for module in (old, new))
    if next(shapes) != next(shapes):
        new.use_nested_tensor = False


def update_transformer(module: nn.Transformer) -> None:
    """The width that the inputs of an encoder-decoder are checked against."""
    for child in module.modules():
        if isinstance(child, nn.MultiheadAttention) and child.in_proj_weight is not None:
            module.d_model = child.in_proj_weight.shape[1]
