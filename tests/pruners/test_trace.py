import torch
from torch import nn

from hierprune.pruners.trace import build_tree
from hierprune.pruners.tree import ModelTree

GROUPS = {
    "lenet5": {"conv1": 6, "conv2": 16, "fc1": 120, "fc2": 84},
    "residual": {"stem": 8, "conv1": 12},
    "separable": {"0": 8, "5": 12},
    "concat": {"a": 8, "b": 6, "c": 10},
}


def test_groups_in_forward_order_with_their_widths(case):
    name, model, inputs = case
    tree = build_tree(model, inputs)
    assert {g.name: g.width for g in tree.groups} == GROUPS[name]
    assert [g.name for g in tree.groups] == list(GROUPS[name])


def test_model_is_left_as_it_was(case):
    _, model, inputs = case
    model.train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    rng = torch.get_rng_state()
    build_tree(model, inputs)
    assert model.training
    assert torch.equal(torch.get_rng_state(), rng)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_output_layer_is_excluded(lenet5):
    tree = build_tree(*lenet5)
    assert [(e.name, e.reason) for e in tree.excluded] == [("fc3", "makes the model's output")]


def test_macs_are_those_of_one_sample(lenet5):
    model, inputs = lenet5
    macs = {t.name: t.macs for t in build_tree(model, inputs).tensors}
    assert macs["conv1.weight"] == 28 * 28 * 6 * 25
    assert macs["conv2.weight"] == 10 * 10 * 16 * 6 * 25
    assert macs["fc1.weight"] == 400 * 120
    assert macs == {t.name: t.macs for t in build_tree(model, inputs[:1]).tensors}


def test_weights_are_one_group_per_matrix(lenet5):
    model, inputs = lenet5
    tree = build_tree(model, inputs)
    assert [(w.name, w.width) for w in tree.weights] == [
        (name, module.weight.numel()) for name, module in model.named_children()
    ]


def test_tree_survives_json(case):
    _, model, inputs = case
    tree = build_tree(model, inputs)
    assert ModelTree.from_json(tree.to_json()) == tree


def test_unknown_operation_is_named_with_its_line():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 6), nn.Linear(6, 8), nn.Linear(8, 2)

        def forward(self, x):
            x = torch.linalg.matrix_exp(self.a(x)[:, :, None] * self.a(x)[:, None, :]).sum(1)
            return self.c(self.b(x))

    tree = build_tree(Net(), torch.randn(2, 4))
    assert [g.name for g in tree.groups] == ["b"]
    reason = next(e.reason for e in tree.excluded if e.name == "a")
    assert "linalg_matrix_exp" in reason
    assert "test_trace.py:" in reason
