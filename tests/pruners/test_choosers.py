"""What learns which units are worth keeping: contracts of all, and what is special about each."""

import pytest
import torch
from torch import Tensor, nn

from hierprune.pruners.schedules.choosers import HardConcrete, Lasso, Movement, SoftThreshold
from hierprune.pruners.schedules.curves import SCHEDULES, Chosen

ALL = [HardConcrete, Lasso, Movement, SoftThreshold]
SIZES = torch.linspace(0.2, 1.8, 9)


def test_every_chooser_has_a_schedule() -> None:
    assert {s.choosing for s in SCHEDULES.values() if isinstance(s, Chosen)} == set(ALL)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("shape", [(9,), (3, 3)])
def test_shapes_and_gradients(kind: type[nn.Module], shape: tuple[int, ...]) -> None:
    sizes = SIZES.view(shape).requires_grad_()
    chooser = kind(sizes.detach())
    chooser.aim(0.5, sizes.detach())
    gates = chooser.gates(sizes)
    assert gates.shape == shape
    assert (gates >= 0).all()
    penalty = chooser.penalty(sizes)
    assert penalty.dim() == 0
    assert torch.isfinite(penalty)
    scores = chooser.scores(sizes)
    assert scores.shape == shape
    assert not scores.requires_grad
    assert torch.isfinite(scores).all()
    (gates.sum() + penalty).backward()
    assert all(torch.isfinite(p.grad).all() for p in chooser.parameters())


def descend(chooser: nn.Module, loss_of, steps: int = 400) -> None:
    optimizer = torch.optim.AdamW(chooser.parameters(), lr=2e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        (loss_of(chooser.gates(SIZES)) + chooser.penalty(SIZES)).backward()
        optimizer.step()


def needs_the_small(gates: Tensor) -> Tensor:
    """A loss that wants the three smallest units open and does not care about others."""
    return 5.0 * (1 - gates[:3]).square().sum()


def test_hard_concrete_gates_reach_the_density_and_keep_what_is_needed() -> None:
    torch.manual_seed(0)
    chooser = HardConcrete(SIZES)
    chooser.aim(3 / 9, SIZES)
    descend(chooser, needs_the_small)
    chooser.eval()
    assert chooser.living(SIZES).item() == pytest.approx(3 / 9, abs=0.15)
    gates = chooser.gates(SIZES)
    assert gates[:3].min() > gates[3:].max()


def test_a_threshold_reaches_the_density() -> None:
    chooser = SoftThreshold(SIZES)
    chooser.aim(3 / 9, SIZES)
    descend(chooser, lambda gates: -0.1 * gates.sum())
    gates = chooser.gates(SIZES)
    assert 2 <= (gates > 0).sum() <= 5
    assert gates.equal(gates.sort().values)


def test_movement_keeps_what_the_loss_wants_to_grow() -> None:
    chooser = Movement(SIZES)
    optimizer = torch.optim.SGD(chooser.parameters(), lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        (-chooser.gates(SIZES)[:3].sum()).backward()
        optimizer.step()
    chooser.aim(3 / 9, SIZES)
    assert chooser.gates(SIZES).tolist() == [1.0] * 3 + [0.0] * 6
    assert chooser.eval().gates(SIZES).tolist() == [1.0] * 9


def test_what_movement_masked_comes_back() -> None:
    chooser = Movement(SIZES)
    with torch.no_grad():
        chooser.worth.copy_(torch.arange(9.0))
    chooser.aim(1 / 9, SIZES)
    assert chooser.gates(SIZES).detach().argmax() == 8
    chooser.gates(SIZES)[0].backward()
    assert chooser.worth.grad[0] == 1
    with torch.no_grad():
        chooser.worth[0] = 10.0
    chooser.aim(1 / 9, SIZES)
    assert chooser.gates(SIZES).detach().argmax() == 0


def test_the_lasso_costs_size() -> None:
    sizes = SIZES.clone().requires_grad_()
    Lasso(SIZES).penalty(sizes).backward()
    assert (sizes.grad > 0).all()
    assert Lasso(SIZES).penalty(2 * SIZES) == 2 * Lasso(SIZES).penalty(SIZES)
