"""Distillation: the teacher's outputs as targets."""

import copy

import pytest
import torch
from torch import Tensor, nn

from hierprune.errors import UsageError
from hierprune.pruners.distil import Distillation
from hierprune.pruners.plan import Recovery
from hierprune.pruners.training import train
from hierprune.task import Task


def test_the_loss_mixes_the_task_and_the_distance() -> None:
    teacher = nn.Linear(3, 2)
    x = torch.randn(5, 3)
    outputs = teacher(x) + 2.0
    loss = Distillation(teacher, 0.25)(torch.tensor(1.0), outputs, x)
    relative = 4.0 / teacher(x).square().mean()
    assert torch.allclose(loss, 0.75 * 1.0 + 0.25 * relative, atol=1e-5)


def test_a_student_comes_closer_to_its_teacher_whatever_the_targets() -> None:
    torch.manual_seed(0)
    teacher = nn.Linear(6, 3).eval()
    student = nn.Linear(6, 3)
    x = torch.randn(256, 6)
    batches = [(x[i : i + 32], torch.zeros(32, dtype=torch.long)) for i in range(0, 256, 32)]
    task = Task("toy", lambda: teacher, batches, batches, batches)
    before = copy.deepcopy(teacher.state_dict())
    start = (student(x) - teacher(x)).square().mean().item()
    train(student, task, 20, lr=0.02, distillation=Distillation(teacher, 1.0))
    assert (student(x) - teacher(x)).square().mean().item() < 0.05 * start
    assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())


@pytest.mark.parametrize("weight", [-0.1, 1.5])
def test_the_weight_is_a_share(weight: float) -> None:
    with pytest.raises(UsageError, match="distil"):
        Recovery(distil=weight)


def test_a_weight_means_the_same_for_outputs_of_any_size() -> None:
    torch.manual_seed(0)
    teacher, x = nn.Linear(3, 2), torch.randn(5, 3)
    louder = copy.deepcopy(teacher)
    with torch.no_grad():
        for parameter in louder.parameters():
            parameter *= 100
    own, outputs = torch.tensor(1.0), teacher(x) + torch.randn(5, 2)
    quiet_loss = Distillation(teacher, 0.5)(own, outputs, x)
    assert torch.allclose(Distillation(louder, 0.5)(own, 100 * outputs, x), quiet_loss, rtol=1e-4)


def test_a_teacher_that_answers_zeros_divides_by_no_zero() -> None:
    teacher, x = nn.Linear(3, 2), torch.randn(5, 3)
    nn.init.zeros_(teacher.weight)
    nn.init.zeros_(teacher.bias)
    assert Distillation(teacher, 0.5)(torch.tensor(1.0), teacher(x), x) == 0.5


class Masked(nn.Module):
    """Linear, and a class that is never to be taken."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.pad(self.fc(x), (0, 1), value=-torch.inf)


class Auxiliary(nn.Module):
    """Gives two further outputs in training, as GoogLeNet does."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        out = self.fc(x)
        return (out, 2 * out, x) if self.training else out


def test_only_what_is_finite_on_both_sides_counts() -> None:
    torch.manual_seed(0)
    teacher, student, x = Masked(), Masked(), torch.randn(5, 3)
    own = torch.tensor(1.0)
    loss = Distillation(teacher, 0.5)(own, student(x), x)
    assert torch.allclose(loss, Distillation(teacher.fc, 0.5)(own, student.fc(x), x))
    loss.backward()
    assert all(p.grad.isfinite().all() for p in student.parameters() if p.grad is not None)
    nothing = torch.full((5, 3), -torch.inf)
    assert Distillation(teacher, 0.5)(own, nothing, x) == 0.5


def test_further_outputs_of_training_have_no_target() -> None:
    torch.manual_seed(0)
    teacher, student, x = Auxiliary().eval(), Auxiliary(), torch.randn(5, 3)
    own, loss = torch.tensor(1.0), Distillation(teacher, 0.5)
    assert loss(own, student(x), x) == loss(own, student.fc(x), x)
    assert loss(own, (x, student.fc(x)), x) == loss(own, student.fc(x), x)


def test_outputs_of_the_teacher_without_a_partner_are_an_error() -> None:
    x = torch.randn(5, 3)
    with pytest.raises(UsageError, match=r"\(5, 3\), \(5, 4\) for \(5, 2\)"):
        Distillation(nn.Linear(3, 2), 0.5)(torch.tensor(1.0), (x, torch.zeros(5, 4)), x)
