"""A few batches, and the moments of what layers see on them."""

import pytest
import torch
from torch import nn

from hierprune.errors import UsageError
from hierprune.pruners import calibration
from hierprune.pruners.calibration import Calibration, input_statistics, take
from hierprune.task import Task


@pytest.mark.parametrize("samples", [1, 5, 8, 11, 16, 99])
def test_so_many_samples_are_taken(samples):
    batches = [(torch.arange(8.0)[:, None], torch.arange(8)) for _ in range(2)]
    taken = list(take(batches, samples))
    assert sum(len(x) for x, _ in taken) == min(samples, 16)
    assert all(len(x) == len(y) for x, y in taken)


def test_inputs_and_targets_of_any_structure_are_shortened_together():
    x = {"ids": torch.arange(8)[:, None], "scale": 2.0}
    y = (torch.arange(8), torch.arange(16).view(8, 2))
    ((inputs, targets),) = take([(x, y)], 3)
    assert len(inputs["ids"]) == 3
    assert inputs["scale"] == 2.0
    assert [len(t) for t in targets] == [3, 3]
    ((_, nothing),) = take([(torch.ones(4, 1), None)], 2)
    assert nothing is None


def test_no_more_batches_are_drawn_than_needed():
    def batches():
        yield torch.ones(4, 1), None
        yield torch.ones(4, 1), None
        raise AssertionError("drawn in vain")

    assert len(list(take(batches(), 8))) == 2


def shuffled_task():
    data = torch.utils.data.TensorDataset(torch.arange(64.0)[:, None], torch.arange(64))
    loader = torch.utils.data.DataLoader(data, batch_size=16, shuffle=True)
    return Task("toy", lambda: nn.Linear(1, 2), loader, loader, loader)


def test_a_shuffled_split_gives_the_same_samples_and_no_global_draw():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = Calibration.of(shuffled_task(), 40)
    assert torch.equal(torch.rand(1), expected)
    second, other = Calibration.of(shuffled_task(), 40), Calibration.of(shuffled_task(), 40, seed=1)
    rows = [torch.cat([y for _, y in c.batches]).tolist() for c in (first, second, other)]
    assert rows[0] == rows[1] != rows[2]
    assert len(set(rows[0])) == 40


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_inputs_that_are_not_finite_name_the_batch_and_the_weight(bad):
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    spoilt = torch.ones(4, 3)
    spoilt[2, 1] = bad
    with pytest.raises(UsageError, match=r"batch 2 .* '0.weight' .*NaN or infinite"):
        input_statistics(model, Calibration(((torch.ones(4, 3), None), (spoilt, None))))


def test_statistics_are_moments_of_the_inputs():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    x = torch.randn(40, 3)
    found = input_statistics(model, Calibration(((x[:25], None), (x[25:], None))))
    u = torch.cat([torch.relu(model[0](x)), torch.ones(40, 1)], 1).detach()
    assert torch.allclose(found["2.weight"].gram[0], u.T @ u / 40, atol=1e-5)
    assert torch.allclose(found["2.weight"].mean_abs, u[:, :-1].mean(0), atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv1d(2, 3, 3, stride=2, padding=1, bias=False), (4, 2, 9)),
        (nn.Conv2d(2, 3, 3, dilation=2, bias=False), (4, 2, 7, 7)),
        (nn.Conv2d(4, 6, (1, 3), padding=1, groups=2, bias=False), (4, 4, 5, 5)),
        (nn.Conv3d(1, 2, 2, bias=False), (2, 1, 4, 4, 4)),
    ],
    ids=lambda v: str(v)[:40],
)
def test_gram_matrices_tell_the_energy_of_the_outputs(layer, shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = input_statistics(layer, Calibration(((x, None),)))["weight"]
    flat = layer.weight.detach().flatten(1).unflatten(0, (len(found.gram), -1))
    energy = torch.einsum("gon,gnm,gom->go", flat, found.gram, flat).flatten()
    y = layer(x).detach()
    assert torch.allclose(energy, y.square().movedim(1, 0).flatten(1).mean(1), rtol=1e-4)
    assert torch.allclose(found.mean_abs, x.abs().movedim(1, 0).flatten(1).mean(1), rtol=1e-5)


def test_large_images_are_thinned_the_same_in_every_batch(monkeypatch):
    monkeypatch.setattr(calibration, "MAX_ROWS", 64)
    layer = nn.Conv2d(1, 2, 1, bias=False)
    batches = tuple((torch.full((1, 1, 16, 16), float(i)), None) for i in range(4))
    found = input_statistics(layer, Calibration(batches))["weight"]
    assert float(found.gram) == pytest.approx((0 + 1 + 4 + 9) / 4)


def test_layers_that_are_too_wide_have_no_gram_matrix(monkeypatch):
    monkeypatch.setattr(calibration, "MAX_FEATURES", 8)
    model = nn.Sequential(nn.Linear(9, 8), nn.Linear(8, 2))
    found = input_statistics(model, Calibration(((torch.randn(4, 9), None),)))
    assert found["0.weight"].gram is None
    assert found["0.weight"].mean_abs.shape == (9,)
    assert found["1.weight"].gram is not None


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.mid = nn.Embedding(20, 8), nn.Linear(8, 8)
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids):
        return self.head(torch.relu(self.mid(self.embed(ids))))


def test_an_embedding_that_is_also_the_output_layer_is_left_alone():
    model = Tied().eval()
    ids = torch.randint(20, (32, 5))
    statistics = input_statistics(model, Calibration(((ids, None),)))
    assert statistics["embed.weight"].gram is None
    assert statistics["mid.weight"].gram is not None


def test_a_layer_that_is_called_twice_sees_both_inputs():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3, bias=False)

        def forward(self, x):
            return self.fc(self.fc(x))

    model, x = Twice(), torch.randn(10, 3)
    found = input_statistics(model, Calibration(((x, None),)))["fc.weight"]
    u = torch.cat([x, model.fc(x).detach()])
    assert torch.allclose(found.gram[0], u.T @ u / 20, atol=1e-5)


class Routed(nn.Module):
    """Rows that begin with a positive number go through ``right``, others through ``left``."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x):
        right = x[:, 0] > 0
        y = x.new_zeros(len(x), 2)
        for rows, expert in ((right, self.right), (~right, self.left)):
            y = y.index_add(0, rows.nonzero()[:, 0], expert(x[rows]))
        return y


def test_batches_without_rows_for_a_layer_add_nothing_to_its_moments():
    model, x = Routed(), torch.randn(20, 3)
    x[:, 0] = x[:, 0].abs() + 0.1
    batches = ((-x, None), (x, None), (-x, None))
    found = input_statistics(model, Calibration(batches))
    expected = input_statistics(model, Calibration(((x, None),)))["right.weight"]
    assert torch.allclose(found["right.weight"].gram, expected.gram)
    assert torch.allclose(found["right.weight"].mean_abs, expected.mean_abs)
    assert torch.allclose(found["left.weight"].mean_abs, x.abs().mean(0))


@pytest.mark.parametrize("grams", [True, False])
def test_a_layer_that_is_never_given_a_row_has_no_statistics(grams):
    x = torch.randn(20, 3)
    x[:, 0] = x[:, 0].abs() + 0.1
    found = input_statistics(Routed(), Calibration(((x, None), (x, None))), grams=grams)
    assert list(found) == ["right.weight"]


def test_sums_of_half_precision_inputs_do_not_overflow():
    layer, x = nn.Linear(3, 2).half(), torch.full((1000, 3), 200.0).half()
    found = input_statistics(layer, Calibration(((x, None),)))["weight"]
    assert found.gram.dtype == found.mean_abs.dtype == torch.float32
    assert torch.equal(found.mean_abs, torch.full((3,), 200.0))
    assert torch.equal(found.gram[0, :3, :3], torch.full((3, 3), 40_000.0))
