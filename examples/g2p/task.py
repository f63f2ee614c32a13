"""Letters to phonemes as a ready-made task: ``gru-g2p``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from torch import Tensor
from torch.nn import functional as F

from ...task import Task
from ..folder import required_folder
from .data import CONTENTS, NAME, load_words, trained_model, weights_file

PAD = 0


def gru_g2p(data_dir: str | None = None) -> Task:
    """A trained GRU encoder and decoder (834,890 parameters), scored with teacher forcing."""
    folder = required_folder(NAME, data_dir, CONTENTS)
    splits = load_words(folder)
    return Task(
        name="gru-g2p",
        build_model=partial(trained_model, weights_file(folder)),
        train=replace(splits.train, batch=64, shuffle=True),
        val=splits.val,
        test=splits.test,
        loss=phoneme_loss,
        metrics={"accuracy": phoneme_accuracy},
        data=splits.name,
    )


def phoneme_loss(logits: Tensor, phonemes: Tensor) -> Tensor:
    """Cross entropy, the mean over phonemes: logits (B, S, phonemes), targets (B, S), 0 = pad."""
    return F.cross_entropy(logits.transpose(1, 2), phonemes, ignore_index=PAD)


def phoneme_accuracy(logits: Tensor, phonemes: Tensor) -> Tensor:
    """Share of each word's phonemes that are right, shape (B,); the end counts as one."""
    real = phonemes != PAD
    hits = (logits.argmax(dim=2) == phonemes) & real
    return hits.sum(dim=1) / real.sum(dim=1)
