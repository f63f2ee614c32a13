"""Parameters as matrices: found wherever they are used, and read and written exactly."""

import copy

import pytest
import torch
from torch import Tensor, nn

from hierprune.pruners.trace import build_tree
from hierprune.pruners.uses import (
    LinearUse,
    features,
    find_uses,
    matrix,
    set_matrix,
    visit_uses,
)

LAYERS = [
    (nn.Linear(5, 7), (3, 2, 5)),
    (nn.Linear(5, 7, bias=False), (3, 5)),
    (nn.Conv1d(4, 6, 3), (2, 4, 9)),
    (nn.Conv2d(4, 6, 3, 2, 1), (2, 4, 9, 9)),
    (nn.Conv2d(4, 8, (3, 1), (1, 2), (2, 0), (2, 1), groups=2, bias=False), (2, 4, 9, 9)),
    (nn.Conv2d(4, 4, 3, padding="same", padding_mode="circular"), (2, 4, 5, 5)),
    (nn.Conv2d(4, 8, 3, groups=4), (2, 4, 5, 5)),
    (nn.Conv3d(2, 4, 2), (2, 2, 4, 4, 4)),
    (nn.ConvTranspose2d(4, 6, 3, 2, 1), (2, 4, 5, 5)),
    (nn.ConvTranspose1d(4, 6, 4, 2, 1, groups=2), (2, 4, 5)),
]


def outputs_from_features(layer: nn.Module, x: Tensor) -> list[tuple[Tensor, LinearUse]]:
    """Outputs (rows, outputs) of every use, as matrix times features."""
    named = dict(layer.named_parameters())
    found = []

    def visit(use: LinearUse, entering: Tensor) -> None:
        weight, bias = named[use.weight], named[use.bias] if use.bias else None
        u, w = features(use, weight, entering), matrix(use, weight, bias)
        found.append((torch.einsum("grn,gon->rgo", u, w).flatten(1), use))

    visit_uses(layer, x, visit)
    return found


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda v: str(v)[:40])
def test_matrix_times_features_is_the_layer(layer: nn.Module, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    ((found, use),) = outputs_from_features(layer, x)
    y = layer(x)
    expected = y.movedim(1, -1) if use.convolution else y
    assert torch.allclose(found, expected.flatten(0, -2), atol=1e-5)


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda v: str(v)[:40])
def test_what_is_read_can_be_written_back(layer: nn.Module, shape: tuple[int, ...]) -> None:
    (use,) = find_uses(layer, torch.randn(shape)).values()
    empty = copy.deepcopy(layer)
    named, target = dict(layer.named_parameters()), dict(empty.named_parameters())
    with torch.no_grad():
        for parameter in target.values():
            parameter.zero_()
        flat = matrix(use, named[use.weight], named.get(use.bias or ""))
        set_matrix(use, target[use.weight], target.get(use.bias or ""), flat)
    for name, parameter in named.items():
        assert torch.equal(target[name], parameter)
    assert LinearUse.from_json(use.to_json()) == use


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(11, 6), nn.Linear(6, 11, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.embed(ids))


def test_a_tied_embedding_is_reported_as_used_otherwise() -> None:
    uses: list[LinearUse] = []
    others = visit_uses(Tied(), torch.tensor([[1, 2]]), lambda use, _: uses.append(use))
    assert [u.weight for u in uses] == ["embed.weight"]
    assert others == {"embed.weight"}


def test_recurrent_and_attention_weights_are_found() -> None:
    gru = nn.GRU(4, 6, num_layers=2)
    assert set(find_uses(gru, torch.randn(3, 1, 4))) == {
        f"weight_{kind}_l{layer}" for kind in ("ih", "hh") for layer in (0, 1)
    }
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    assert set(find_uses(layer, torch.randn(1, 3, 8))) == {
        "self_attn.in_proj_weight",
        "self_attn.out_proj.weight",
        "linear1.weight",
        "linear2.weight",
    }


def test_modes_are_put_back() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout())
    model[1].eval()
    find_uses(model, torch.randn(1, 3))
    assert [m.training for m in model.modules()] == [True, True, False]


def test_the_tree_knows_which_cuts_remove_inputs() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    (group,) = build_tree(model, torch.randn(2, 4)).groups
    assert {(c.tensor, c.dim): c.reads for c in group.cuts} == {
        ("0.weight", 0): False,
        ("0.bias", 0): False,
        ("2.weight", 1): True,
    }
