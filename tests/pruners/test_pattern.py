"""Patterns: which elements stay, and what counts as a unit."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hierprune.errors import UsageError
from hierprune.pruners.pattern import Blocks, NOfM, Pattern, Single, parse

SHAPES = st.sampled_from([(8, 16), (4, 8, 3, 3), (16, 4, 5)])
PATTERNS = st.sampled_from([Single(), NOfM(2, 4), NOfM(1, 4), Blocks(4, 1), Blocks(2, 2)])


@given(pattern=PATTERNS, shape=SHAPES, seed=st.integers(0, 100), share=st.floats(0, 1))
def test_keeping_units_keeps_their_share_of_the_elements(
    pattern: Pattern, shape: tuple[int, ...], seed: int, share: float
) -> None:
    scores = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    units = pattern.units(shape)
    assert units is not None
    count = max(pattern.floor, round(share * units))
    kept = pattern.ranks(scores) < count
    assert int(kept.sum()) * units == count * scores.numel()


@given(pattern=PATTERNS, shape=SHAPES, seed=st.integers(0, 100))
def test_pooled_scores_are_one_per_unit_and_ranks_follow_them(
    pattern: Pattern, shape: tuple[int, ...], seed: int
) -> None:
    scores = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    pooled = pattern.pooled(scores)
    assert pooled.shape == (pattern.units(shape),)
    assert torch.isfinite(pooled).all()
    best = scores[pattern.ranks(scores) == 0].mean()
    assert torch.allclose(best, pooled.max())


def test_two_of_four_keeps_the_two_largest_of_every_four_inputs() -> None:
    weight = torch.rand(6, 8, 3, 3)
    kept = NOfM(2, 4).ranks(weight) < 2
    for block in (slice(0, 4), slice(4, 8)):
        largest = weight[:, block].topk(2, dim=1).values.sort(dim=1).values
        found = torch.where(kept, weight, -1.0)[:, block].topk(2, dim=1).values.sort(dim=1).values
        assert torch.equal(largest, found)
    assert bool((kept.unflatten(1, (2, 4)).sum(2) == 2).all())


def test_blocks_stay_or_go_whole() -> None:
    kept = Blocks(2, 4).ranks(torch.rand(4, 8)) < 2
    tiles = kept.view(2, 2, 2, 4).float().mean(dim=(1, 3))
    assert sorted(tiles.flatten().tolist()) == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("pattern", "shape"),
    [
        (NOfM(2, 4), (8, 3, 3, 3)),
        (NOfM(2, 4), (10,)),
        (Blocks(4, 4), (6, 8)),
        (Blocks(4, 4), (8, 6)),
    ],
)
def test_weights_that_do_not_divide_are_left_out(pattern: Pattern, shape: tuple[int, ...]) -> None:
    assert pattern.units(shape) is None


def test_equal_scores_keep_their_order() -> None:
    assert Single().ranks(torch.ones(2, 3)).flatten().tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("text", ["4:2", "0:4", "2:2", "0x4", "chanel", "2:", "x", ""])
def test_what_is_no_granularity_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no granularity"):
        parse(text)
