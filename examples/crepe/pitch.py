"""Pitches as CREPE writes them: 360 bins, 20 cents apart.

Kim et al. 2018, arXiv:1802.06182, eqs. (1) to (4). Cents count from 10 Hz; the lowest bin's offset
is that of the published code.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .model import BINS

CENTS = 20.0 * torch.arange(BINS) + 1997.3794084376191
A4_CENTS = 1200 * math.log2(440 / 10)
A4_NOTE = 69  # as MIDI counts semitones
NEAR = 4  # bins either side of the best one that are averaged
BLUR = 25.0  # cents, of the targets
TOLERANCE = 50.0  # cents: half a semitone


def cents_of(notes: Tensor) -> Tensor:
    """Pitch in cents above 10 Hz of MIDI note numbers, any shape.

    >>> cents_of(torch.tensor([69.0, 70.0])).round().tolist()
    [6551.0, 6651.0]
    """
    return 100.0 * (notes - A4_NOTE) + A4_CENTS


def estimate(logits: Tensor) -> Tensor:
    """Pitch in cents (B,) of logits (B, 360): the mean around the best bin, eq. (2)."""
    best = logits.argmax(dim=1, keepdim=True)
    bins = (best + torch.arange(-NEAR, NEAR + 1)).clamp(0, BINS - 1)  # (B, 9)
    weights = torch.sigmoid(logits).gather(1, bins)
    total: Tensor = (weights * CENTS[bins]).sum(dim=1) / weights.sum(dim=1)
    return total


def pitch_loss(logits: Tensor, notes: Tensor) -> Tensor:
    """Binary cross entropy against a bump of 25 cents around the true pitch, eqs. (3) and (4)."""
    distance = CENTS - cents_of(notes)[:, None]  # (B, 360)
    return F.binary_cross_entropy_with_logits(logits, torch.exp(-(distance**2) / (2 * BLUR**2)))


def within_50_cents(logits: Tensor, notes: Tensor) -> Tensor:
    """Whether the estimate is within half a semitone of the true note, 0 or 1, shape (B,)."""
    return ((estimate(logits) - cents_of(notes)).abs() < TOLERANCE).float()
