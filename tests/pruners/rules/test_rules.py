"""Every rule against brute force: remove a unit, compare with switching it off."""

import pytest
import torch
from torch.nn import functional as F

from hierprune.pruners.kernels import plain_kernels
from hierprune.pruners.labels import UnitSpace, along
from hierprune.pruners.rules import RULES, TraceState
from hierprune.pruners.rules.shapes import segments
from hierprune.pruners.trace import LabelMode, settle_grids


def units_that_can_go(function, operands):
    """Labels of every operand and of the result, once ``function`` ran on them.

    ``operands`` are pairs of a tensor and the dimension its units lie along, or None.
    """
    state = TraceState(UnitSpace())
    labels = []
    tensors = [tensor for tensor, _ in operands]
    for number, (tensor, dim) in enumerate(operands):
        if number:
            state.adopt(f"operand{number}", tensor)
        fresh = None if dim is None else state.units.fresh(tensor.shape[dim])
        if fresh is not None:
            state.label(tensor, [along(fresh, dim, tensor.dim())])
        labels.append(fresh)
    with plain_kernels(), LabelMode(state):
        result = function(*tensors)
    settle_grids(state)
    roots = [None if fresh is None else state.units.roots(fresh) for fresh in labels]
    return roots, result, state.layers(result)


def without(tensor, gone):
    """The tensor without the elements that are marked; they must form whole slices."""
    for dim in range(tensor.dim()):
        others = [d for d in range(tensor.dim()) if d != dim]
        stay = ~gone.all(dim=others) if others else ~gone
        if not stay.all() and stay.any():
            gone = gone.index_select(dim, stay.nonzero().flatten())
            tensor = tensor.index_select(dim, stay.nonzero().flatten())
    assert not gone.any(), "what goes is not a box"
    return tensor


def check(function, operands, free):
    """Remove every unit in turn: cut operands give what is left when it is switched off."""
    roots, result, layers = units_that_can_go(function, operands)
    units = {int(u) for r in roots if r is not None for u in r} - {0}
    assert len(units) == free
    for unit in units:
        small, off = [], []
        for (tensor, dim), labels in zip(operands, roots, strict=True):
            if dim is None:
                small.append(tensor)
                off.append(tensor)
                continue
            stay = (labels != unit).nonzero().flatten()
            small.append(tensor.index_select(dim, stay))
            off.append(tensor.index_fill(dim, (labels == unit).nonzero().flatten(), 0))
        gone = torch.zeros(result.shape, dtype=torch.bool)
        for layer in layers:
            gone |= layer == unit
        expected = without(function(*off), gone)
        assert torch.allclose(function(*small), expected, rtol=1e-10)


def x(*shape):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


MOVEMENT = {
    "permute": (lambda t: t.permute(2, 0, 1), 6),
    "transpose": (lambda t: t.transpose(0, 1), 6),
    "unsqueeze": (lambda t: t.unsqueeze(1), 6),
    "squeeze": (lambda t: t.unsqueeze(0).squeeze(), 6),
    "expand": (lambda t: t.unsqueeze(0).expand(4, *t.shape), 6),
    "repeat": (lambda t: t.repeat(2, 1, 1), 6),
    "repeat units": (lambda t: t.repeat(1, 2, 1), 6),
    "flip": (lambda t: t.flip(1), 6),
    "roll space": (lambda t: t.roll(1, 2), 6),
    "roll units": (lambda t: t.roll(1, 1), 0),
    "select": (lambda t: t.select(2, 1), 6),
    "select unit": (lambda t: t.select(1, 1), 0),
    "unbind": (lambda t: t.unbind(0)[1], 6),
    "slice space": (lambda t: t[:, :, 1:3], 6),
    "halves": (lambda t: t[:, : t.shape[1] // 2] * t[:, t.shape[1] // 2 :], 3),
    "literal slice": (lambda t: t[:, :4], 2),
    "stepped slice": (lambda t: t[:, ::2], 0),
    "narrow": (lambda t: t.narrow(2, 1, 2), 6),
    "chunk": (lambda t: torch.cat(t.chunk(3, 1)[::-1], 2), 2),
    "split sizes": (lambda t: torch.cat(t.split([1, 3], 2), 2), 6),
    "pad space": (lambda t: F.pad(t, (1, 2)), 6),
    "pad units": (lambda t: F.pad(t, (0, 0, 1, 1)), 6),
    "reflect": (lambda t: F.pad(t, (1, 1), mode="reflect"), 6),
    "replicate": (lambda t: F.pad(t, (1, 1), mode="replicate"), 6),
    "index": (lambda t: t[:, :, torch.tensor([0, 2, 2])], 6),
    "index units": (lambda t: t[:, torch.tensor([0, 2, 2])], 0),
    "index_select": (lambda t: t.index_select(2, torch.tensor([1, 0])), 6),
    "gather": (lambda t: t.gather(2, torch.zeros(t.shape, dtype=torch.int64)), 6),
    "glu": (lambda t: F.glu(t, 1), 3),
    "flatten": (lambda t: t.flatten(1), 6),
    "flatten to rows": (lambda t: t.transpose(1, 2).reshape(-1, t.shape[1]), 6),
    "grid": (lambda t: t.view(t.shape[0], 2, t.shape[1] // 2, -1), 3),
    "shuffle": (
        lambda t: t.view(t.shape[0], 2, t.shape[1] // 2, -1).transpose(1, 2).reshape(t.shape),
        3,
    ),
    "unfold": (lambda t: t.unfold(2, 2, 1), 6),
    "diagonal": (lambda t: t.diagonal(dim1=0, dim2=2), 6),
    "as_strided": (lambda t: t.as_strided(t.shape, t.stride()), 6),
}


@pytest.mark.parametrize("name", MOVEMENT)
def test_movement(name):
    function, free = MOVEMENT[name]
    check(function, [(x(2, 6, 4), 1)], free)


POINTWISE = {
    "relu": torch.relu,
    "hardswish": F.hardswish,
    "in place": lambda t: t.clone().mul_(2).add_(1),
    "clamp": lambda t: t.clamp(-0.5, 0.5),
    "broadcast": lambda t: t * t.mean(2, keepdim=True) + 3,
    "where": lambda t: torch.where(t > 0, t, -t),
    "zeros_like": lambda t: torch.maximum(t, torch.zeros_like(t)),
    "constant of the same size": lambda t: t + torch.ones(t.shape),
    "tril": lambda t: t.tril() if t.dim() == 2 else t,
    "copy_": lambda t: torch.zeros_like(t).copy_(t),
}


@pytest.mark.parametrize("name", POINTWISE)
def test_pointwise(name):
    check(POINTWISE[name], [(x(2, 6, 4), 1)], 6)


def test_pointwise_operands_with_units_are_tied():
    check(torch.add, [(x(2, 6), 1), (x(6), 0)], 6)


def test_an_operand_without_units_fixes_those_it_meets():
    check(torch.mul, [(x(2, 6), 1), (x(6), None)], 0)


def test_a_constant_operand_without_units_fixes_nothing():
    roots, _, layers = units_that_can_go(torch.mul, [(x(2, 6), 1), (torch.ones(1, 6), None)])
    assert (roots[0] > 0).all()
    assert len(layers) == 1


def test_writing_units_into_a_view_fixes_them():
    def write(t):
        buffer = torch.arange(24.0, dtype=t.dtype).reshape(2, 12)
        buffer[:, : t.shape[1]] = t
        return buffer

    roots, _, _ = units_that_can_go(write, [(x(2, 6), 1)])
    assert not roots[0].any()


REDUCTIONS = {
    "mean": (lambda t: t.mean(2), 6),
    "mean keepdim": (lambda t: t.mean((0, 2), keepdim=True), 6),
    "sum over units": (lambda t: t.sum(1), 6),
    "mean over units": (lambda t: t.mean(1) + 1, 0),
    "mean over units that nobody uses": (lambda t: (t.mean(1), 2 * t)[1], 6),
    "detached mean over units": (lambda t: t - t.mean(1, keepdim=True).detach(), 0),
    "amax over units": (lambda t: t.amax(1) + 1, 0),
    "amax of pairs of units": (lambda t: t.unflatten(1, (-1, 2)).amax(2), 3),
    "number of units": (lambda t: (t > 0).sum(1), 0),
    "var": (lambda t: t.var(2), 6),
    "max with indices": (lambda t: t.max(2).values, 6),
    "softmax": (lambda t: t.softmax(2), 6),
    "softmax over units": (lambda t: t.softmax(1), 0),
    "cumsum": (lambda t: t.cumsum(2), 6),
    "sort": (lambda t: t.sort(2).values, 6),
    "topk": (lambda t: t.topk(2, 2).values, 6),
    "logsumexp": (lambda t: t.logsumexp(2), 6),
    "norm": (lambda t: t.norm(dim=2), 6),
    "argmax": (lambda t: t.argmax(2).double(), 6),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name):
    function, free = REDUCTIONS[name]
    check(function, [(x(2, 6, 4), 1)], free)


SPATIAL = {
    "max_pool2d": lambda t: F.max_pool2d(t, 2),
    "avg_pool2d": lambda t: F.avg_pool2d(t, 2),
    "adaptive": lambda t: F.adaptive_avg_pool2d(t, 2),
    "adaptive to 1": lambda t: F.adaptive_avg_pool2d(t, 1),
    "adaptive max": lambda t: F.adaptive_max_pool2d(t, 2),
    "nearest": lambda t: F.interpolate(t, scale_factor=2),
    "bilinear": lambda t: F.interpolate(t, size=(5, 5), mode="bilinear"),
    "bicubic": lambda t: F.interpolate(t, size=(5, 5), mode="bicubic"),
    "grid_sample": lambda t: F.grid_sample(
        t, torch.zeros(t.shape[0], 3, 3, 2, dtype=t.dtype), align_corners=False
    ),
    "batch_norm": lambda t: F.batch_norm(t, None, None, training=True),
    "instance_norm": F.instance_norm,
}


@pytest.mark.parametrize("name", SPATIAL)
def test_spatial(name):
    check(SPATIAL[name], [(x(2, 6, 4, 4), 1)], 6)


def test_pixel_shuffle_makes_one_unit_of_four():
    check(lambda t: F.pixel_shuffle(t, 2), [(x(2, 8, 3, 3), 1)], 2)


def test_pixel_unshuffle_repeats_every_unit():
    check(lambda t: F.pixel_unshuffle(t, 2), [(x(2, 3, 4, 4), 1)], 3)


def test_im2col_repeats_every_unit():
    check(lambda t: F.unfold(t, 2), [(x(2, 3, 4, 4), 1)], 3)


def test_channel_shuffle_takes_the_same_position_of_every_group():
    check(lambda t: F.channel_shuffle(t, 2), [(x(2, 6, 3, 3), 1)], 3)


def test_concatenation_keeps_the_units_of_every_piece():
    check(lambda a, b: torch.cat([a, b], 1), [(x(2, 3), 1), (x(2, 4), 1)], 7)


def test_concatenation_along_another_dimension_ties():
    check(lambda a, b: torch.cat([a, b], 0), [(x(2, 3), 1), (x(1, 3), 1)], 3)


def test_stack_ties():
    check(lambda a, b: torch.stack([a, b], 1), [(x(2, 3), 1), (x(2, 3), 1)], 3)


CONTRACTIONS = {
    "linear columns": (lambda a, w: F.linear(a, w), (x(2, 3, 6), 2), (x(4, 6), 1), 6),
    "linear rows": (lambda a, w: F.linear(a, w), (x(2, 3, 6), None), (x(4, 6), 0), 4),
    "matmul": (torch.matmul, (x(2, 3, 6), 2), (x(6, 4), 0), 6),
    "vector": (torch.mv, (x(3, 6), 1), (x(6), 0), 6),
    "unmatched": (torch.matmul, (x(2, 3, 6), 2), (x(6, 4), None), 0),
    "einsum": (
        lambda a, w: torch.einsum("bnc,oc->bon", a, w),
        (x(2, 3, 6), 2),
        (x(4, 6), 1),
        6,
    ),
    "einsum rows": (
        lambda a, w: torch.einsum("bnc,oc->bon", a, w),
        (x(2, 3, 6), None),
        (x(4, 6), 0),
        4,
    ),
}


@pytest.mark.parametrize("name", CONTRACTIONS)
def test_contractions(name):
    function, a, w, free = CONTRACTIONS[name]
    check(function, [a, w], free)


CONVOLUTIONS = {
    "inputs": (lambda t, w: F.conv2d(t, w), (4, 6, 3, 3), 1, 6),
    "pointwise": (lambda t, w: F.conv2d(t, w), (4, 6, 1, 1), 1, 6),
    "grouped inputs": (lambda t, w: F.conv2d(t, w, groups=2), (4, 3, 3, 3), 1, 3),
    "depthwise": (lambda t, w: F.conv2d(t, w, groups=t.shape[1]), (6, 1, 3, 3), 0, 6),
    "multiplier": (lambda t, w: F.conv2d(t, w, groups=t.shape[1]), (12, 1, 3, 3), 0, 6),
    "transposed inputs": (lambda t, w: F.conv_transpose2d(t, w), (6, 4, 3, 3), 0, 6),
    "transposed grouped": (lambda t, w: F.conv_transpose2d(t, w, groups=2), (6, 4, 2, 2), 0, 3),
    "transposed depthwise": (
        lambda t, w: F.conv_transpose2d(t, w, groups=t.shape[1]),
        (6, 1, 3, 3),
        0,
        6,
    ),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_with_channels_that_go(name):
    function, shape, dim, free = CONVOLUTIONS[name]
    check(function, [(x(2, 6, 5, 5), 1), (x(*shape), dim)], free)


def test_outputs_of_a_convolution():
    check(F.conv2d, [(x(2, 3, 5, 5), None), (x(4, 3, 3, 3), 0), (x(4), 0)], 4)
    check(F.conv1d, [(x(2, 3, 5), None), (x(4, 3, 3), 0), (x(4), 0)], 4)
    check(F.conv3d, [(x(2, 3, 4, 4, 4), None), (x(4, 3, 3, 3, 3), 0), (x(4), 0)], 4)
    check(
        lambda t, w: F.conv_transpose2d(t, w, groups=3),
        [(x(2, 6, 5, 5), None), (x(6, 4, 2, 2), 1)],
        4,
    )


def test_channels_without_a_matching_kernel_are_fixed():
    check(F.conv2d, [(x(2, 3, 5, 5), 1), (x(4, 3, 3, 3), None)], 0)


def test_bilinear():
    check(F.bilinear, [(x(2, 3), 1), (x(2, 4), None), (x(5, 3, 4), 1)], 3)


def test_embedding_columns_go_and_rows_stay():
    index = torch.tensor([[0, 2], [1, 1]])
    check(lambda w: F.embedding(index, w), [(x(4, 6), 1)], 6)
    check(lambda w: F.embedding(index, w), [(x(4, 6), 0)], 0)


def test_norm_layers_tie_weights_to_units():
    for function in (
        lambda t, w: F.layer_norm(t, (t.shape[-1],), w),
        lambda t, w: F.batch_norm(t, torch.zeros_like(w), torch.ones_like(w), w),
        lambda t, w: F.group_norm(t, 1, w),
    ):
        roots, _, layers = units_that_can_go(function, [(x(2, 6), 1), (x(6), 0)])
        assert torch.equal(roots[0], roots[1])
        assert (roots[0] > 0).all()
        assert layers


def test_group_norm_takes_the_same_position_of_every_group():
    roots, _, _ = units_that_can_go(lambda t: F.group_norm(t, 2), [(x(2, 6, 4), 1)])
    assert torch.equal(roots[0][:3], roots[0][3:])


def test_layer_norm_without_a_weight_fixes_its_units():
    roots, _, _ = units_that_can_go(lambda t: F.layer_norm(t, (6,)), [(x(2, 6), 1)])
    assert not roots[0].any()


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ((2, 12), (2, 3, 4), [([0], [0]), ([1], [1, 2])]),
        ((2, 3, 4), (2, 12), [([0], [0]), ([1, 2], [1])]),
        ((6, 4), (4, 6), [([0, 1], [0, 1])]),
        ((2, 1, 3), (2, 3), [([0], [0]), ([1, 2], [1])]),
    ],
)
def test_segments_of_a_reshape(old, new, parts):
    assert segments(old, new) == parts


def test_every_rule_is_named_after_an_aten_operation():
    missing = [name for name in RULES if not hasattr(torch.ops.aten, name)]
    assert set(missing) <= {"resolve_conj", "resolve_neg"}
