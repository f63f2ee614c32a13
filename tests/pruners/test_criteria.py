"""The contract of every criterion, and answers that are known."""

import copy
import pickle

import pytest
import torch
from torch import nn

from hierprune.errors import UsageError
from hierprune.pruners.calibration import Calibration
from hierprune.pruners.criteria import CRITERIA, criterion
from hierprune.pruners.trace import build_tree

ON_CHANNELS = sorted(set(CRITERIA) - {"influence"})
ON_WEIGHTS = sorted(set(CRITERIA) - {"influence", "fpgm"})
ON_BLOCKS = sorted(set(CRITERIA) - {"fpgm"})
NEEDS_DATA = ["activation", "fisher", "snip", "synflow", "taylor"]


def calibration_of(x):
    generator = torch.Generator().manual_seed(0)
    shape = (8, *x.shape[1:])
    batches = tuple(
        (torch.randn(shape, generator=generator), torch.randint(3, (8,), generator=generator))
        for _ in range(2)
    )
    return Calibration(batches, nn.functional.cross_entropy)


def snapshot(model):
    state = {k: v.clone() for k, v in model.state_dict().items()}
    flags = [(p.requires_grad, id(p.grad)) for p in model.parameters()]
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    return state, flags, [m.training for m in model.modules()], hooks


@pytest.mark.parametrize(
    ("name", "granularity"),
    [(n, "channel") for n in ON_CHANNELS] + [(n, "weight") for n in ON_WEIGHTS],
)
def test_every_unit_gets_one_score_and_the_model_stays(case, name, granularity):
    _, model, x = case
    next(model.parameters()).requires_grad_(False)
    list(model.parameters())[-1].grad = torch.ones_like(list(model.parameters())[-1])
    model.train()
    next(iter(model.children())).eval()
    holds_its_contract(model, x, name, granularity)


class Shortcut(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4))

    def forward(self, x):
        return torch.relu(x + self.body(x))


@pytest.mark.parametrize("name", ON_BLOCKS)
def test_blocks_are_ranked_like_units(name):
    torch.manual_seed(0)
    ends = nn.Conv2d(3, 4, 1), nn.Flatten(), nn.LazyLinear(3)
    model = nn.Sequential(ends[0], Shortcut(), Shortcut(), *ends[1:])
    x = torch.randn(2, 3, 5, 5)
    model.eval()(x)
    holds_its_contract(model, x, name, "block")


def holds_its_contract(model, x, name, granularity):
    groups = build_tree(model, x, verify=False).units(granularity)
    assert groups
    before = snapshot(model)
    chosen = pickle.loads(pickle.dumps(criterion(name)))
    scores = chosen(model, groups, calibration_of(x))
    after = snapshot(model)
    assert before[1:] == after[1:]
    assert all(torch.equal(v, after[0][k]) for k, v in before[0].items())
    assert list(scores) == [g.name for g in groups]
    for group in groups:
        assert scores[group.name].shape == (group.width,)
        assert torch.isfinite(scores[group.name]).all()
        assert (scores[group.name] >= 0).all()
        assert scores[group.name].max() > 0
    again = chosen(model, groups, calibration_of(x))
    assert all(torch.equal(scores[n], again[n]) for n in scores)
    assert type(chosen).__name__ in repr(chosen)


def dead_unit():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).eval()
    with torch.no_grad():
        model[0].weight[2] = 0
        model[0].bias[2] = -1.0
    return model


@pytest.mark.parametrize("name", ["activation", "taylor", "fisher", "snip", "l1", "l2"])
def test_a_dead_unit_scores_lowest(name):
    model, x = dead_unit(), torch.randn(2, 4)
    (group,) = build_tree(model, x).groups
    scores = criterion(name)(model, [group], calibration_of(x))[group.name]
    assert scores.argmin() == 2
    if name in ("activation", "taylor", "fisher", "snip"):
        assert scores[2] == 0


def test_norms_are_those_of_the_rows():
    model, x = dead_unit(), torch.randn(2, 4)
    (group,) = build_tree(model, x).groups
    empty = Calibration(())
    weight = model[0].weight.detach()
    assert torch.allclose(criterion("l1")(model, [group], empty)["0"], weight.abs().sum(1))
    assert torch.allclose(criterion("l2")(model, [group], empty)["0"], weight.norm(dim=1))
    both = (weight.square().sum(1) + model[2].weight.detach().square().sum(0)).sqrt()
    assert torch.allclose(criterion("group-l2")(model, [group], empty)["0"], both)


def test_activation_is_mean_input_times_the_weights_that_read_it():
    model, x = dead_unit(), torch.randn(2, 4)
    (group,) = build_tree(model, x).groups
    data = calibration_of(x)
    inputs = torch.cat([b for b, _ in data.batches])
    fed = torch.relu(model[0](inputs)).abs().mean(0) * model[2].weight.abs().sum(0)
    assert torch.allclose(criterion("activation")(model, [group], data)["0"], fed.detach())


def test_norm_scales_rank_channels_and_the_median_filter_is_spare():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, 2, 3)
    ).eval()
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([0.5, -2.0, 0.1, 1.0, 3.0]))
        model[0].weight[3] = model[0].weight[[0, 1, 2, 4]].mean(0)
    (group,) = build_tree(model, torch.randn(2, 1, 8, 8)).groups
    scale = criterion("bn-scale")(model, [group], Calibration(()))["0"]
    assert torch.allclose(scale, torch.tensor([0.5, 2.0, 0.1, 1.0, 3.0]))
    assert criterion("fpgm")(model, [group], Calibration(()))["0"].argmin() == 3


@pytest.mark.parametrize("name", NEEDS_DATA)
def test_what_needs_data_says_so(name):
    model, x = dead_unit(), torch.randn(2, 4)
    groups = build_tree(model, x).groups
    with pytest.raises(UsageError, match="data"):
        criterion(name)(model, groups, Calibration((), nn.functional.cross_entropy))


@pytest.mark.parametrize("name", ["taylor", "fisher", "snip"])
def test_what_needs_a_loss_says_so(name):
    model, x = dead_unit(), torch.randn(2, 4)
    with pytest.raises(UsageError, match="loss"):
        criterion(name)(model, build_tree(model, x).groups, Calibration(((x, None),)))


def test_geometry_ranks_structures_alone():
    model, x = dead_unit(), torch.randn(2, 4)
    with pytest.raises(UsageError, match="fpgm"):
        criterion("fpgm")(model, build_tree(model, x).weights, Calibration(()))


def test_unknown_criteria_are_refused():
    with pytest.raises(UsageError, match="did you mean 'taylor'"):
        criterion("tailor")


def test_every_criterion_is_held_to_its_contract():
    assert {*ON_CHANNELS, *ON_WEIGHTS, *ON_BLOCKS} == set(CRITERIA)


def test_the_flow_through_a_deep_network_stays_finite():
    torch.manual_seed(0)
    layers = [nn.Linear(64, 64) for _ in range(50)]
    model = nn.Sequential(*layers).eval()
    with torch.no_grad():
        for layer in layers:
            layer.weight.mul_(10)
    data = Calibration(((torch.ones(2, 64), None),))
    for granularity in ("channel", "weight"):
        groups = build_tree(model, torch.ones(2, 64), verify=False).units(granularity)
        for score in criterion("synflow")(model, groups, data).values():
            assert torch.isfinite(score).all()
            assert float(score.sum()) == pytest.approx(1.0, rel=1e-3)


def test_taylor_is_the_square_of_gradient_times_weight():
    model, x = dead_unit(), torch.randn(2, 4)
    (group,) = build_tree(model, x).groups
    data = calibration_of(x)
    expected = torch.zeros(6)
    for inputs, targets in data.batches:
        model.zero_grad()
        data.loss(model(inputs), targets).backward()
        weight, bias = model[0].weight, model[0].bias
        sums = (weight.grad * weight).sum(1) + bias.grad * bias
        expected += sums.detach() ** 2 / len(data.batches)
    model.zero_grad()
    found = criterion("taylor")(model, [group], data)[group.name]
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-9)


def test_the_least_influential_block_is_the_one_that_does_least():
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    model = nn.Sequential(stem, Shortcut(), Shortcut(), nn.Conv2d(4, 2, 1)).eval()
    with torch.no_grad():
        model[2].body[1].weight.mul_(1e-3)
    x = torch.randn(2, 3, 5, 5)
    scores = criterion("influence")(model, build_tree(model, x).blocks, calibration_of(x))
    assert scores["2"] < 0.1 * scores["1"]


def test_copies_of_a_model_score_alike(case):
    _, model, x = case
    groups = build_tree(model, x).groups
    for name in ("l1", "taylor"):
        a = criterion(name)(model, groups, calibration_of(x))
        b = criterion(name)(copy.deepcopy(model), groups, calibration_of(x))
        assert all(torch.equal(a[n], b[n]) for n in a)


OF_WEIGHTS = [("fpgm", "channel"), *((n, "channel") for n in ("group-l2", "l1", "l2"))]


@pytest.mark.parametrize(("name", "granularity"), [*OF_WEIGHTS, ("l2", "weight")])
def test_weights_of_half_precision_score_as_in_single(name, granularity):
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(300, 6), nn.ReLU(), nn.Linear(6, 3)), torch.randn(2, 300)
    with torch.no_grad():
        model[0].weight.mul_(1e-2)
    model.eval().half()
    groups = build_tree(model, x.half()).units(granularity)
    half = criterion(name)(model, groups, Calibration(()))
    single = criterion(name)(copy.deepcopy(model).float(), groups, Calibration(()))
    assert all(torch.equal(half[n], single[n]) for n in single)


OF_DATA = [("activation", "channel"), ("activation", "weight"), ("fisher", "channel")]


@pytest.mark.parametrize(
    ("name", "granularity"), [*OF_DATA, ("fisher", "weight"), ("taylor", "weight")]
)
def test_data_of_half_precision_tell_nearly_what_single_tells(name, granularity):
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3)).eval(), torch.ones(2, 4)
    groups = build_tree(model, x).units(granularity)
    wide = calibration_of(x)

    def small_loss(outputs, targets):
        return 1e-3 * nn.functional.cross_entropy(outputs.float(), targets)

    narrow = Calibration(tuple((x.half(), y) for x, y in wide.batches), small_loss)
    single = criterion(name)(model, groups, Calibration(wide.batches, small_loss))
    half = criterion(name)(copy.deepcopy(model).half(), groups, narrow)
    for group in single:
        assert half[group].dtype == torch.float32
        scale = float(single[group].max())
        assert torch.allclose(half[group], single[group], rtol=0, atol=0.1 * scale)


def test_turns_of_blocks_of_half_precision_are_told_apart():
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    model = nn.Sequential(stem, Shortcut(), nn.Conv2d(4, 2, 1)).eval()
    x = torch.randn(2, 3, 5, 5)
    groups = build_tree(model, x).blocks
    data = Calibration(((x.half(), None),))
    (score,) = criterion("influence")(model.half(), groups, data).values()
    (exact,) = criterion("influence")(model.float(), groups, Calibration(((x, None),))).values()
    assert score.dtype == torch.float32
    assert float(score) == pytest.approx(float(exact), rel=0.02)


GRADIENTS = ["fisher", "snip", "taylor"]


@pytest.mark.parametrize(
    ("name", "granularity"),
    [(n, "channel") for n in ("bn-scale", "group-l2", "l1", *GRADIENTS)]
    + [(n, "weight") for n in GRADIENTS],
)
def test_scores_are_where_the_model_is(name, granularity):
    model, x = dead_unit(), torch.randn(2, 4)
    groups = build_tree(model, x).units(granularity)
    moved = [tuple(t.to("meta") for t in batch) for batch in calibration_of(x).batches]
    data = Calibration(tuple(moved), nn.functional.cross_entropy)
    scores = criterion(name)(model.to("meta"), groups, data)
    assert {s.device.type for s in scores.values()} == {"meta"}
