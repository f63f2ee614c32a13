import pytest
import torch
from torch import Tensor, nn

from hierprune.objectives.macs import count_macs


class First(nn.Module):
    """A module whose first output counts."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)[0]


LSTM = First(nn.LSTM(10, 20, 2, batch_first=True))
GRU = First(nn.GRU(10, 20, batch_first=True, bidirectional=True))


@pytest.mark.parametrize(
    ("model", "shape", "macs"),
    [
        (nn.Linear(8, 16), (2, 3, 8), 6 * 8 * 16),
        (nn.Linear(8, 16, bias=False), (3, 8), 3 * 8 * 16),
        (nn.Conv2d(8, 16, 3, groups=4, padding=1), (1, 8, 5, 5), 25 * 16 * 2 * 9),
        (nn.ConvTranspose2d(8, 16, 3), (1, 8, 5, 5), 25 * 8 * 16 * 9),
        (LSTM, (1, 7, 10), 7 * 4 * 20 * (10 + 20 + 20 + 20)),
        (GRU, (1, 7, 10), 7 * 3 * 20 * (10 + 20) * 2),
        (
            nn.TransformerEncoderLayer(32, 4, 64, batch_first=True),
            (1, 9, 32),
            9 * 32 * 32 * 4 + 9 * 32 * 64 * 2 + 2 * 9 * 9 * 32,
        ),
    ],
)
def test_counts_products_of_the_formula(model: nn.Module, shape: tuple[int, ...], macs: int):
    assert count_macs(model, torch.randn(shape)) == macs


def test_zero_weights_do_not_count():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(36, 5))
    with torch.no_grad():
        model[0].weight[2:] = 0
        model[2].weight[:, ::2] = 0
    assert count_macs(model, torch.randn(1, 1, 5, 5)) == 2 * 9 * 9 + 18 * 5


def test_leaves_modes_and_settings():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout()).train()
    model[1].eval()
    count_macs(model, torch.randn(1, 2))
    assert (model.training, model[0].training, model[1].training) == (True, True, False)
    assert torch.backends.mkldnn.enabled
    assert torch.backends.mha.get_fastpath_enabled()
