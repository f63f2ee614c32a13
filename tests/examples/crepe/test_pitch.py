import pytest
import torch

from hierprune.examples.crepe.pitch import (
    CENTS,
    cents_of,
    estimate,
    pitch_loss,
    within_50_cents,
)


def bump(cents: torch.Tensor) -> torch.Tensor:
    """Logits whose probabilities are a bump around each pitch, (B,) -> (B, 360)."""
    return torch.logit(torch.exp(-((CENTS - cents[:, None]) ** 2) / 1250), eps=1e-6)


def test_the_lowest_bin_is_c1_and_octaves_are_1200_cents():
    assert cents_of(torch.tensor(24.0)).item() == pytest.approx(CENTS[0].item(), abs=60)
    assert (cents_of(torch.tensor(81.0)) - cents_of(torch.tensor(69.0))).item() == 1200


def test_estimate_is_finer_than_a_bin():
    true = torch.tensor([2500.0, 4207.0, 6551.3, 8990.0])
    assert estimate(bump(true)).tolist() == pytest.approx(true.tolist(), abs=2.0)
    assert estimate(bump(CENTS[[0, -1]])).isfinite().all()


def test_half_a_semitone_is_the_limit():
    note = torch.tensor([60])
    for offset, hit in ((0, 1), (40, 1), (-40, 1), (60, 0), (-60, 0), (1200, 0)):
        assert within_50_cents(bump(cents_of(note) + offset), note).tolist() == [hit]


def test_loss_is_lowest_at_the_true_pitch():
    note = torch.tensor([60])
    losses = [pitch_loss(bump(cents_of(note) + d), note).item() for d in (0, 20, 100, 500)]
    assert losses == sorted(losses)
