import copy
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import weight_norm

from hierprune.errors import UsageError
from hierprune.pruners.calibration import Calibration, input_statistics
from hierprune.pruners.dense import Dense
from hierprune.pruners.plan import PruningPlan, Recovery
from hierprune.pruners.prune import at_density, counts
from hierprune.pruners.schedules.course import Ears, Learning, Snapshot, train_to_plan
from hierprune.pruners.schedules.curves import SCHEDULES, schedule
from hierprune.pruners.training import train
from hierprune.pruners.tree_cache import find_tree, task_tree
from hierprune.task import Task

torch.set_num_threads(1)


class Shuffled:
    """Batches of 16 in an order drawn from the global generator: is the left half brighter?"""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.inputs = torch.randn(160, 1, 8, 8, generator=generator)
        self.targets = torch.arange(160) % 2
        self.inputs[::2, ..., :4] += 0.4
        self.inputs[1::2, ..., 4:] += 0.4

    def __len__(self) -> int:
        return 10

    def __iter__(self):
        for rows in torch.randperm(160).split(16):
            yield self.inputs[rows], self.targets[rows]


def make_model() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 12, 3), nn.ReLU(),
            nn.Flatten(), nn.Linear(192, 16), nn.ReLU(), nn.Linear(16, 2),
        )  # fmt: skip


TASK = Task("toy", make_model, Shuffled(), Shuffled(), [])


@pytest.fixture(scope="module")
def dense() -> Dense:
    model = make_model()
    train(model, TASK, 3, lr=1e-2)
    calibration = Calibration.of(TASK)
    tree = find_tree(model.eval(), TASK.example())
    return Dense(model, tree, calibration, input_statistics(model, calibration))


def plan(
    dense: Dense, granularity: str, name: str, density: float = 0.2, **recovery
) -> PruningPlan:
    settings = {"epochs": 3.0, "lr": 1e-2, "schedule": name} | recovery
    base = PruningPlan(granularity, "l1", "uniform", 0.0, "params", {}, Recovery(**settings))
    return at_density(dense, base, density)


@given(st.sampled_from(sorted(SCHEDULES)), st.floats(0.001, 1), st.floats(0, 1), st.floats(0, 1))
def test_density_never_rises_and_ends_at_the_final_one(name, final, one, other):
    curve = schedule(name)
    early, late = sorted((one, other))
    assert curve.density(early, final) >= curve.density(late, final) - 1e-12
    assert curve.density(1.0, final) == pytest.approx(final)
    assert final - 1e-12 <= curve.density(early, final) <= 1
    assert 0 < curve.rate(max(early, 1e-3)) <= 1
    assert 0 <= curve.regrown(early) < 1
    assert curve.aim(early, final) >= curve.aim(late, final) - 1e-12
    assert final - 1e-12 <= curve.aim(late, final) <= 1
    assert curve.aim(1.0, final) == pytest.approx(final)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
@pytest.mark.parametrize("granularity", ["weight", "2:4", "4x1"])
def test_masks_meet_the_densities_exactly(dense: Dense, granularity: str, name: str):
    before = copy.deepcopy(dense.model.state_dict())
    wanted = plan(dense, granularity, name, 0.6 if granularity == "2:4" else 0.2)
    model, found = train_to_plan(dense, wanted, TASK)
    assert counts(dense, found) == counts(dense, wanted) or (name, granularity) == (
        "global",
        "weight",
    )
    assert sum(counts(dense, found).values()) == sum(counts(dense, wanted).values())
    for group in dense.units(granularity):
        weight = model.get_parameter(group.cuts[0].tensor)
        kept = round(found.density[group.name] * weight.numel())
        living = int(weight.count_nonzero())
        from_zero = name in (
            "rigl",
            "l0",
            "soft",
        )  # some of those kept still are what they grew from
        assert living == kept or (from_zero and 0.8 * kept < living < kept)
    assert all(tensor.equal(before[n]) for n, tensor in dense.model.state_dict().items())
    assert not model.training


class TwoHeads(nn.Module):
    """Class scores, and its features, which nobody needs at their full width."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.ReLU())
        self.head = nn.Linear(24, 2)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        features = self.body(images)
        return {"scores": self.head(features), "features": features}


def score_loss(outputs, targets):
    return nn.functional.cross_entropy(outputs["scores"], targets)


def test_every_cut_follows_what_the_task_says_of_its_outputs():
    task = Task("two", TwoHeads, Shuffled(), Shuffled(), [], loss=score_loss, outputs=["scores"])
    model = task.build_model()
    calibration = Calibration.of(task)
    statistics = input_statistics(model, calibration)
    dense = Dense(model, task_tree(task, model.eval()), calibration, statistics)
    wanted = plan(dense, "channel", "gradual", 0.3, epochs=1.0)
    smaller, _ = train_to_plan(dense, wanted, task)
    (group,) = dense.units("channel")
    assert smaller.head.in_features == round(wanted.density[group.name] * 24) < 10


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_cuts_meet_the_widths_exactly(dense: Dense, name: str):
    wanted = plan(dense, "channel", name, 0.2)
    model, found = train_to_plan(dense, wanted, TASK)
    assert found.keep is not None
    widths = {name: len(units) for name, units in found.keep.items()}
    assert widths == {n: c for n, c in counts(dense, wanted).items() if n in widths}
    assert sum(p.numel() for p in model.parameters()) < 0.25 * sum(
        p.numel() for p in dense.model.parameters()
    )
    for name, units in found.keep.items():
        assert list(units) == sorted(set(units)), name


def test_a_shared_number_of_weights_goes_where_they_grew_large(dense: Dense):
    wanted = plan(dense, "weight", "global", 0.05, epochs=6.0)
    _, found = train_to_plan(dense, wanted, TASK)
    gains = {name: found.density[name] / share for name, share in wanted.density.items()}
    assert max(gains.values()) > 2
    assert min(gains.values()) < 1
    assert max(gains, key=gains.__getitem__) == "8"  # 32 weights, all of them needed


@pytest.mark.parametrize("name", ["gradual", "global"])
def test_zeros_of_the_start_stay(dense: Dense, name: str):
    sparse, _ = train_to_plan(dense, plan(dense, "weight", "gradual", 0.3), TASK)
    start = replace(dense, model=sparse, saliency={}, _ranks={})
    lives = {n: p != 0 for n, p in sparse.named_parameters() if p.dim() > 1}
    seen: list[Snapshot] = []
    ears = Ears(passed=lambda s: seen.append(copy.deepcopy(s)))
    wanted = plan(dense, "weight", name, 0.05)
    model, _ = train_to_plan(start, wanted, TASK, ears=ears)
    for snapshot in (seen[0].model, model.state_dict()):
        assert not any((snapshot[n] != 0)[~living].any() for n, living in lives.items())
    living_then = [
        sum(int((m[n] != 0).sum()) for n in lives) for m in (seen[0].model, seen[1].model)
    ]
    whole = sum(int(living.sum()) for living in lives.values())
    assert whole > living_then[0] > living_then[1]


RESUMED = [
    ("weight", "rigl"),
    ("weight", "global"),
    ("channel", "gradual"),
    ("channel", "rewind"),
    ("weight", "l0"),
    ("channel", "movement"),
]


@pytest.mark.parametrize("granularity", ["weight", "channel"])
def test_averaged_weights_meet_the_plan_and_are_other_ones(dense: Dense, granularity: str):
    wanted = plan(dense, granularity, "gradual")
    last, mean = (
        dict(train_to_plan(dense, wanted, TASK, learning=Learning(average=a))[0].named_parameters())
        for a in (0.0, 0.3)
    )
    assert all(p.count_nonzero() == last[n].count_nonzero() for n, p in mean.items() if p.dim() > 1)
    assert not mean["6.weight"].equal(last["6.weight"])


def test_a_mean_is_over_a_share_of_the_run():
    with pytest.raises(UsageError, match="average must be in"):
        Learning(average=1.0)


@pytest.mark.parametrize("granularity", ["weight", "channel"])
def test_half_the_precision_leads_to_the_same_plan(dense: Dense, granularity: str):
    wanted = plan(dense, granularity, "gradual", distil=0.5)
    models = [
        train_to_plan(dense, wanted, TASK, learning=Learning(precision=precision))[0]
        for precision in ("float32", "bfloat16")
    ]
    whole, halved = (
        {n: int(p.count_nonzero()) for n, p in m.named_parameters() if p.dim() >= 2} for m in models
    )
    assert whole == halved
    assert all(p.dtype == torch.float32 for p in models[1].parameters())


@pytest.mark.parametrize(("granularity", "name"), RESUMED)
def test_a_course_that_was_stopped_goes_on_to_the_same_weights(dense, granularity, name):
    wanted = plan(dense, granularity, name, distil=0.5)
    snapshots: list[Snapshot] = []
    ears = Ears(passed=lambda s: snapshots.append(copy.deepcopy(s)))
    averaged = Learning(average=0.2)
    whole, once = train_to_plan(dense, wanted, TASK, learning=averaged, ears=ears)
    assert [s.step for s in snapshots] == [10, 20]
    torch.manual_seed(5)
    again, found = train_to_plan(dense, wanted, TASK, learning=averaged, since=snapshots[0])
    assert all(t.equal(again.state_dict()[n]) for n, t in whole.state_dict().items())
    assert found.density == once.density


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_a_plan_that_takes_nothing_gives_a_model_of_the_same_form(dense: Dense, name: str):
    nothing = replace(plan(dense, "channel", name, epochs=0.5), density={"0": 1.0})
    for wanted in (nothing, replace(nothing, density={})):
        model, _ = train_to_plan(dense, wanted, TASK)
        before = dense.model.state_dict()
        assert {n: t.shape for n, t in model.state_dict().items()} == {
            n: t.shape for n, t in before.items()
        }


def test_too_short_a_run_still_meets_the_plan(dense: Dense):
    for epochs in (0.0, 0.1):
        wanted = plan(dense, "weight", "gradual", epochs=epochs)
        model, _ = train_to_plan(dense, wanted, TASK)
        weight = model.get_parameter("6.weight")
        assert weight.count_nonzero() == round(wanted.density["6"] * weight.numel())


def test_rigl_moves_weights_and_oneshot_does_not(dense: Dense):
    alive = {
        name: train_to_plan(dense, plan(dense, "weight", name), TASK)[0].get_parameter("6.weight")
        for name in ("oneshot", "rigl")
    }
    first = dense.ranks("l1", "weight")["6"] < int(alive["oneshot"].count_nonzero())
    assert (alive["oneshot"] != 0).equal(first)
    moved = (alive["rigl"] != 0) & ~first
    assert moved.sum() > 0.05 * first.sum()


def test_training_while_pruning_beats_none(dense: Dense):
    def loss(model: nn.Module) -> float:
        data = Shuffled()
        with torch.no_grad():
            return float(nn.functional.cross_entropy(model(data.inputs), data.targets))

    for granularity in ("weight", "channel"):
        wanted = plan(dense, granularity, "gradual", 0.1, epochs=8.0)
        model, _ = train_to_plan(dense, wanted, TASK)
        untrained, _ = train_to_plan(
            dense, replace(wanted, recovery=replace(wanted.recovery, epochs=0.0)), TASK
        )
        assert loss(model) < 0.7 * loss(untrained)
        assert math.isfinite(loss(model))


def test_unknown_schedule(dense: Dense):
    with pytest.raises(UsageError, match="did you mean 'gradual'"):
        train_to_plan(dense, plan(dense, "weight", "gradul"), TASK)


@pytest.mark.filterwarnings("ignore:.*weight_norm")
@pytest.mark.parametrize(
    ("granularity", "name"), [("channel", "gradual"), ("channel", "l0"), ("weight", "rewind")]
)
def test_models_that_keep_computed_weights_are_trained(granularity: str, name: str):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), weight_norm(nn.Linear(64, 16)), nn.ReLU(), nn.Linear(16, 2))
    calibration = Calibration.of(TASK)
    tree = find_tree(model.eval(), TASK.example())
    whole = Dense(model, tree, calibration, input_statistics(model, calibration))
    model(TASK.example())
    wanted = plan(whole, granularity, name, 0.5, epochs=1.0)
    pruned, _ = train_to_plan(whole, wanted, TASK, learning=Learning(average=0.3))
    assert all(v.isfinite().all() for v in pruned.state_dict().values())
