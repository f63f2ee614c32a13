"""Forward passes in bfloat16, everything else in single precision."""

import torch
from torch import nn

from hierprune.pruners.precision import forward_in, lay_out


def make_model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))


def test_outputs_are_close_and_single_precision() -> None:
    model, images = make_model(), torch.randn(6, 3, 8, 8)
    exact = forward_in("float32")(model, images)
    halved = forward_in("bfloat16")(model, images)
    assert exact.equal(model(images))
    assert halved.dtype == torch.float32
    assert not halved.equal(exact)
    assert torch.allclose(halved, exact, atol=0.02)


def test_nested_outputs_keep_their_form() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = make_model()

        def forward(self, x: torch.Tensor) -> dict[str, object]:
            return {"logits": self.body(x), "name": "two", "count": torch.tensor(3)}

    outputs = forward_in("bfloat16")(Two(), torch.randn(2, 3, 8, 8))
    assert outputs["logits"].dtype == torch.float32
    assert outputs["name"] == "two"
    assert outputs["count"].dtype == torch.int64


def test_gradients_reach_single_precision_weights() -> None:
    model, images = make_model(), torch.randn(6, 3, 8, 8)
    lay_out(model, "bfloat16")
    forward_in("bfloat16")(model, images).square().mean().backward()
    for parameter in model.parameters():
        assert parameter.dtype == torch.float32
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


def test_convolutions_of_other_ranks_are_left_as_they_are() -> None:
    model = nn.Sequential(nn.Conv3d(1, 2, 3), nn.Conv1d(2, 2, 3), nn.Conv2d(3, 4, 3))
    lay_out(model, "bfloat16")
    assert model[0].weight.is_contiguous()
    assert model[2].weight.is_contiguous(memory_format=torch.channels_last)


def test_the_layout_changes_no_value() -> None:
    model = make_model()
    before = {n: t.clone() for n, t in model.state_dict().items()}
    lay_out(model, "bfloat16")
    assert all(t.equal(before[n]) for n, t in model.state_dict().items())
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_convolutions_of_one_channel_give_channels_last_outputs() -> None:
    model = nn.Conv2d(1, 4, 3)
    lay_out(model, "bfloat16")
    assert model(torch.randn(2, 1, 8, 8)).stride(1) == 1
