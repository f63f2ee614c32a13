"""Residual blocks: found by what they do, left out exactly."""

import pytest
import torch
from torch import Tensor, nn

import hierprune
from hierprune.errors import UsageError
from hierprune.pruners.cost import CostModel
from hierprune.pruners.depth import find_blocks, without_blocks
from hierprune.pruners.prune import shrink
from hierprune.pruners.trace import build_tree


class Block(nn.Module):
    def __init__(self, width: int, out: int | None = None) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width))
        self.body.append(nn.ReLU(inplace=True)).append(nn.Conv2d(width, out or width, 1))
        self.short = nn.Conv2d(width, out, 1) if out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.short(x) + self.body(x))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU())
        self.stage = nn.Sequential(Block(8), Block(8), Block(8, 12), Block(12))
        self.plain = nn.Sequential(nn.Conv2d(12, 12, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.plain(self.stage(self.stem(x))).mean((2, 3)))


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


X = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_only_blocks_that_add_to_their_input_are_found(net: Net) -> None:
    assert [b.name for b in find_blocks(net, X)] == ["stage.0", "stage.1", "stage.3"]
    assert not any(m._forward_hooks for m in net.modules())


def test_leaving_a_block_out_equals_zeroing_it(net: Net) -> None:
    smaller = without_blocks(net, ["stage.1", "stage.3"])
    zeroed = Net().eval()
    zeroed.load_state_dict(net.state_dict())
    with torch.no_grad():
        for i in (1, 3):
            for parameter in zeroed.stage[i].parameters():
                parameter.zero_()
    assert torch.allclose(smaller(X), zeroed(X), atol=1e-6)
    assert sum(p.numel() for p in smaller.parameters()) < sum(p.numel() for p in net.parameters())
    assert isinstance(net.stage[1], Block)


def test_costs_are_those_of_the_smaller_model(net: Net) -> None:
    tree = build_tree(net, X)
    cost = CostModel.of(tree, "block")
    widths = cost.vector({"stage.0": 0.0, "stage.3": 0.0})
    smaller = without_blocks(net, ["stage.0", "stage.3"])
    assert cost.cost(widths, "params") == sum(p.numel() for p in smaller.parameters())


def test_blocks_go_by_influence_within_the_budget(net: Net) -> None:
    with torch.no_grad():
        net.stage[1].body[3].weight.mul_(1e-3)
        net.stage[1].body[3].bias.zero_()
    result = hierprune.prune(
        net,
        X,
        0.7,
        granularity="block",
        criterion="influence",
        allocation="global",
        budget="units",
        calibration=[X],
    )
    assert result.plan.keep == {"stage.1": ()}
    assert result.plan.ratio == pytest.approx(1 / 3)
    assert result.model(X).shape == (2, 3)


def test_unknown_blocks_are_refused(net: Net) -> None:
    with pytest.raises(UsageError, match=r"no block 'stage\.2'"):
        shrink(net, build_tree(net, X), "block", {"stage.2": ()})


def test_influence_ranks_blocks_alone(net: Net) -> None:
    with pytest.raises(UsageError, match="influence"):
        hierprune.prune(net, X, 0.5, criterion="influence", calibration=[X])


class Fussy(nn.Module):
    """A residual block that takes what cannot be copied, and cannot stand zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 4))

    def forward(self, x: Tensor, log: object = None) -> Tensor:
        if not float(self.body[0].weight.abs().sum()):
            raise TypeError("no weights")
        return x + self.body(x)


def test_blocks_that_cannot_be_tried_are_left_out() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.fc = Fussy(), Fussy(), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.b(self.a(x), (n for n in range(3))))

    assert find_blocks(Outer(), torch.randn(2, 4)) == ()
