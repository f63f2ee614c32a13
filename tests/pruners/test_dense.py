"""Scores are computed once, and ranks follow them."""

import numpy as np
import pytest
import torch
from torch import nn

from hierprune.errors import UsageError
from hierprune.pruners import dense as room
from hierprune.pruners.calibration import Calibration
from hierprune.pruners.cost import CostModel
from hierprune.pruners.dense import Dense, allocation_path, producer_shape, relative_to_mean
from hierprune.pruners.trace import build_tree
from hierprune.pruners.tree import Cut, Group


@pytest.fixture
def dense(case):
    _, model, x = case
    return Dense(model, build_tree(model, x), Calibration(()))


@pytest.mark.parametrize("granularity", ["channel", "weight"])
@pytest.mark.parametrize("name", ["l1", "random"])
def test_ranks_count_the_units_that_score_higher(dense, name, granularity):
    scores, ranks = dense.scores(name, granularity), dense.ranks(name, granularity)
    assert list(ranks) == [g.name for g in dense.units(granularity)]
    for group, score in scores.items():
        rank = ranks[group].flatten()
        assert sorted(rank.tolist()) == list(range(len(score)))
        assert bool((score[rank.argsort()].diff() <= 0).all())


def test_scores_are_computed_once(dense, monkeypatch):
    calls = []
    chosen = room.criterion
    monkeypatch.setattr(room, "criterion", lambda name: calls.append(name) or chosen(name))
    for _ in range(2):
        dense.scores("l1", "channel")
        dense.scores("l1", "weight")
        dense.scores("l1", "2:4")
        dense.ranks("l1", "channel")
    assert calls == ["l1", "l1"]


def test_random_scores_depend_on_the_seed_alone(dense):
    group = dense.units("channel")[0].name
    first, same, other = (dense.ranks("random", "channel", seed)[group] for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    for name in dense.scores("l1", "channel"):
        a, b = (dense.scores("l1", "channel", seed)[name] for seed in (1, 2))
        assert torch.equal(a, b)


def test_patterns_rank_elements_by_their_units():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    found = Dense(model, build_tree(model, torch.randn(2, 8)), Calibration(()))
    ranks = found.ranks("l1", "4x1")["0"]
    assert ranks.shape == (4, 8)
    columns = model[0].weight.abs().mean(0)
    assert ranks[0].tolist() == columns.argsort(descending=True).argsort().tolist()
    assert bool((ranks == ranks[0]).all())
    assert list(found.scores("l1", "2:4")) == ["0", "2"]
    assert found.scores("l1", "2:4")["0"].shape == (4,)


@pytest.mark.parametrize("name", ["uniform", "global", "erk", "lamp", "shared"])
@pytest.mark.parametrize("granularity", ["channel", "weight", "1:2"])
def test_paths_have_a_density_for_every_group(dense, name, granularity):
    cost = CostModel.of(dense.tree, granularity)
    scores = dense.scores("l1", granularity)
    path = allocation_path(dense.tree, granularity, cost, name, scores)
    assert path(0.5).shape == (len(dense.units(granularity)),)
    assert np.allclose(path(1.0), 1.0)


def test_groups_without_any_saliency_are_ranked_all_the_same():
    assert relative_to_mean(np.zeros(3)).tolist() == [0.0] * 3
    assert relative_to_mean(np.array([1.0, 3.0])).tolist() == [0.5, 1.5]


def test_the_shape_of_a_group_is_that_of_the_largest_weight_that_makes_it():
    units = ((0,), (1,))
    shapes = {"a.weight": (2, 3, 3, 3), "a.bias": (2,), "b.weight": (2, 9, 1, 1), "c": (90, 2)}
    cuts = [Cut(n, 0, units) for n in ("a.bias", "a.weight", "b.weight", "running_mean")]
    group = Group("a", "s", "channel", (*cuts, Cut("c", 1, units, reads=True)))
    assert producer_shape(group, shapes) == (2, 3, 3, 3)
    assert producer_shape(Group("c", "s", "neuron", group.cuts[-1:]), shapes) == (90, 2)


def test_unknown_names_are_refused(dense):
    with pytest.raises(UsageError, match="did you mean 'taylor'"):
        dense.scores("tailor", "channel")
    with pytest.raises(UsageError, match="no granularity"):
        dense.ranks("l1", "chanel")
