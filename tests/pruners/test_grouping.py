import torch
from torch import nn

from hierprune.pruners.grouping import owner, stage_names, unique
from hierprune.pruners.trace import build_tree


def test_owner_skips_parametrizations():
    assert owner("conv.parametrizations.weight.original1") == "conv"
    assert owner("layer.0.weight") == "layer.0"
    assert owner("scale") == "scale"


def test_unique_numbers_repeated_names():
    assert unique(["a", "b", "a", "a"]) == ["a", "b", "a#2", "a#3"]


def test_stages_are_the_shortest_prefix_that_splits_well():
    names = ["stem", *(f"layer{i}.{j}.conv{k}" for i in (1, 2) for j in (0, 1) for k in (1, 2))]
    assert set(stage_names(names).values()) == {"stem", "layer1", "layer2"}


def test_a_common_prefix_and_a_heap_of_layers_are_looked_into():
    names = ["bert.embeddings", *(f"bert.encoder.{i}.fc{k}" for i in range(4) for k in (1, 2))]
    stages = stage_names(names)
    assert stages["bert.embeddings"] == "bert.embeddings"
    assert stages["bert.encoder.2.fc1"] == "bert.encoder.2"


def test_layers_of_a_flat_model_are_their_own_stages(lenet5):
    tree = build_tree(*lenet5, verify=False)
    assert [g.stage for g in tree.groups] == [g.name for g in tree.groups]


def test_kinds():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.rnn = nn.Embedding(9, 6), nn.GRU(6, 5, batch_first=True)
            self.conv, self.fc, self.out = nn.Conv1d(5, 4, 1), nn.Linear(4, 3), nn.Linear(3, 2)

        def forward(self, x):
            x = self.rnn(self.words(x))[0]
            return self.out(self.fc(self.conv(x.transpose(1, 2)).mean(2)))

    tree = build_tree(Net(), torch.arange(6).reshape(2, 3))
    assert {g.name: g.kind for g in tree.groups} == {
        "words": "embedding",
        "rnn": "hidden",
        "conv": "channel",
        "fc": "neuron",
    }


def test_a_layer_whose_units_all_hang_together_is_excluded():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.PixelShuffle(2), nn.Conv2d(1, 2, 1))
    tree = build_tree(model, torch.randn(2, 3, 4, 4))
    assert ("0", "would leave nothing (pixel_shuffle in 1)") in [
        (e.name, e.reason) for e in tree.excluded
    ]


def test_modules_with_several_matrices_name_their_weights_by_parameter():
    tree = build_tree(nn.Sequential(nn.Linear(4, 6), Recurrent()), torch.randn(2, 3, 4))
    assert [w.name for w in tree.weights] == ["0", "1.rnn.weight_ih_l0", "1.rnn.weight_hh_l0"]


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(6, 5, batch_first=True)

    def forward(self, x):
        return self.rnn(x)[0]
