import torch
from torch import nn

from hierprune.pruners.examples import woken
from hierprune.pruners.trace import build_tree


class Experts(nn.Module):
    """One of three experts per sample, by the largest score."""

    def __init__(self):
        super().__init__()
        self.into, self.router, self.out = nn.Linear(8, 12), nn.Linear(12, 3), nn.Linear(12, 2)
        self.experts = nn.ModuleList(nn.Linear(12, 12) for _ in range(3))

    def forward(self, x):
        x = self.into(x)
        chosen = self.router(x).argmax(-1)
        y = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            rows = torch.where(chosen == number)[0]
            if len(rows):
                y.index_add_(0, rows, expert(x[rows]).relu())
        return self.out(y)


def test_sleeping_experts_are_woken_and_cut_with_the_others():
    torch.manual_seed(0)
    model = Experts().eval()
    inputs = torch.randn(1, 8)
    assert len(woken(model, [inputs])) > 1
    tree = build_tree(model, inputs)
    (group,) = (g for g in tree.groups if g.name == "into")
    cut = {c.tensor for c in group.cuts if c.dim == 1}
    assert cut >= {f"experts.{i}.weight" for i in range(3)}


def test_models_that_are_all_awake_keep_their_examples():
    inputs = torch.randn(1, 4)
    assert woken(nn.Linear(4, 2), [inputs]) == [inputs]
