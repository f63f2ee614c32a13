"""Sequential reconstruction: exact where it can be, and better than nothing elsewhere."""

import pytest
import torch
from torch import Tensor, nn

import hierprune
from hierprune.pruners.calibration import Calibration
from hierprune.pruners.sequential import reconstruct_sequentially
from hierprune.pruners.surgery import cut
from hierprune.pruners.trace import build_tree
from hierprune.pruners.tree import kept_positions


def net() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3)]
    return nn.Sequential(*layers).eval()


def error(a: nn.Module, b: nn.Module, x: Tensor) -> float:
    with torch.no_grad():
        return float((a(x) - b(x)).square().mean())


class Mixture(nn.Module):
    """Rows whose first number exceeds 5 go through the second expert."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(net() for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        second, y = x[:, 0] > 5, x.new_zeros(len(x), 3)
        for rows, expert in zip((~second, second), self.experts, strict=True):
            y = y.index_add(0, rows.nonzero()[:, 0], expert(x[rows]))
        return y


@pytest.mark.parametrize("reached", [True, False], ids=["in one batch", "never"])
def test_an_expert_is_solved_by_the_batches_that_reach_it(reached: bool) -> None:
    torch.manual_seed(0)
    dense, x = Mixture().eval(), torch.randn(400, 6).clamp(max=4)
    other = x + torch.tensor([9.0, 0, 0, 0, 0, 0])
    tree = build_tree(dense, torch.cat([x[:2], other[:2]]))
    keep = {g.name: list(range(0, g.width, 2)) for g in tree.groups}
    pruned = cut(dense, tree, keep)
    untouched = pruned.experts[1][4].weight.clone()
    before = [error(pruned, dense, rows) for rows in (x, other)]
    sizes = {n: tuple(t.shape) for n, t in dense.state_dict().items()}
    batches = ((x, None), (other if reached else x, None))
    reconstruct_sequentially(
        pruned, dense, Calibration(batches), kept_positions(tree.groups, sizes, keep)
    )
    assert error(pruned, dense, x) < 0.5 * before[0]
    if reached:
        assert error(pruned, dense, other) < 0.5 * before[1]
    else:
        assert torch.equal(pruned.experts[1][4].weight, untouched)


def test_a_duplicated_unit_is_made_up_for_exactly() -> None:
    dense, x = net(), torch.randn(400, 6)
    with torch.no_grad():
        for tensor in (dense[0].weight, dense[0].bias):
            tensor[5] = tensor[2]
        dense[2].weight[:, 5] += 1
    tree = build_tree(dense, x[:1])
    keep = {"0": [u for u in range(16) if u != 5]}
    pruned = cut(dense, tree, keep)
    sizes = {n: tuple(t.shape) for n, t in dense.state_dict().items()}
    before = error(pruned, dense, x)
    reconstruct_sequentially(
        pruned, dense, Calibration(((x, None),)), kept_positions(tree.groups, sizes, keep)
    )
    assert before > 1e-3
    assert error(pruned, dense, x) < before / 1e3


def test_it_lowers_the_error_far_from_dense() -> None:
    dense, x = net(), torch.randn(500, 6)
    plain = cut(dense, tree := build_tree(dense, x[:1]), {"0": range(5), "2": range(5)})
    sizes = {n: tuple(t.shape) for n, t in dense.state_dict().items()}
    kept = kept_positions(tree.groups, sizes, {"0": range(5), "2": range(5)})
    solved = cut(dense, tree, {"0": range(5), "2": range(5)})
    reconstruct_sequentially(solved, dense, Calibration(((x, None),)), kept)
    assert error(solved, dense, x) < 0.5 * error(plain, dense, x)


def test_without_data_or_cuts_nothing_changes() -> None:
    dense, x = net(), torch.randn(8, 6)
    pruned = net()
    reconstruct_sequentially(pruned, dense, Calibration(()), {("2.weight", 1): [0]})
    reconstruct_sequentially(pruned, dense, Calibration(((x, None),)), {})
    assert error(pruned, dense, x) == 0


def test_layers_before_the_first_cut_keep_their_weights() -> None:
    dense, x = net(), torch.randn(300, 6)
    tree = build_tree(dense, x[:1])
    keep = {"2": range(8)}
    pruned = cut(dense, tree, keep)
    sizes = {n: tuple(t.shape) for n, t in dense.state_dict().items()}
    kept = kept_positions(tree.groups, sizes, keep)
    reconstruct_sequentially(pruned, dense, Calibration(((x, None),)), kept)
    assert torch.equal(pruned[0].weight, dense[0].weight)
    assert not torch.equal(pruned[4].weight, dense[4].weight[:, :8])


def test_recurrent_weights_are_solved_too() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru, self.out = nn.GRU(4, 24, batch_first=True), nn.Linear(24, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.gru(x)[0])

    torch.manual_seed(0)
    model, x = Net().eval(), torch.randn(64, 6, 4)
    plain = hierprune.prune(model, x[:1], 0.5).model
    solved = hierprune.prune(model, x[:1], 0.5, calibration=[x]).model
    assert error(solved, model, x) < 0.5 * error(plain, model, x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_is_solved_in_single(dtype: torch.dtype) -> None:
    dense, x = net().to(dtype), torch.randn(500, 6).to(dtype)
    tree, keep = build_tree(dense, x[:1]), {"0": range(8), "2": range(8)}
    plain, solved = cut(dense, tree, keep), cut(dense, tree, keep)
    sizes = {n: tuple(t.shape) for n, t in dense.state_dict().items()}
    kept = kept_positions(tree.groups, sizes, keep)
    reconstruct_sequentially(solved, dense, Calibration(((x, None),)), kept)
    assert {p.dtype for p in solved.parameters()} == {dtype}
    assert error(solved, dense, x) < 0.5 * error(plain, dense, x)
