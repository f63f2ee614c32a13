"""The network of g2p_en: https://github.com/Kyubyong/g2p, ``checkpoint20.npz``."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

LETTERS = 29  # a to z, and pad 0, unknown 1, end 2
PHONEMES = 74  # of CMUdict with stress, and pad 0, unknown 1, start 2, end 3
WIDTH = 256

PARTS = {"w_ih": "weight_ih_l0", "w_hh": "weight_hh_l0", "b_ih": "bias_ih_l0", "b_hh": "bias_hh_l0"}
KEYS: Mapping[str, str] = {
    "enc_emb": "letters.weight",
    "dec_emb": "phonemes.weight",
    **{f"enc_{theirs}": f"encoder.{ours}" for theirs, ours in PARTS.items()},
    **{f"dec_{theirs}": f"decoder.{ours}" for theirs, ours in PARTS.items()},
    "fc_w": "classifier.weight",
    "fc_b": "classifier.bias",
}
"""Names of parameters: theirs to ours."""


class LettersToPhonemes(nn.Module):
    """Two GRUs of 256 units, 834,890 parameters: the last state of one starts the other.

    Cho et al. 2014, arXiv:1406.1078, section 2.2, without the context at every step.
    """

    def __init__(self) -> None:
        super().__init__()
        self.letters = nn.Embedding(LETTERS, WIDTH)
        self.encoder = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.phonemes = nn.Embedding(PHONEMES, WIDTH)
        self.decoder = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.classifier = nn.Linear(WIDTH, PHONEMES)

    def forward(self, letters: Tensor, lengths: Tensor, previous: Tensor) -> Tensor:
        """Teacher forced: every phoneme from the letters and the true phonemes before it.

        Args:
            letters: (B, T), padded.
            lengths: (B,), of each word, in letters.
            previous: (B, S), the start and the true phonemes but for the last one.

        Returns:
            Logits (B, S, phonemes).
        """
        states, _ = self.encoder(self.letters(letters))  # (B, T, width)
        last = states[torch.arange(len(states)), lengths - 1]  # (B, width)
        states, _ = self.decoder(self.phonemes(previous), last.unsqueeze(0))  # (B, S, width)
        logits: Tensor = self.classifier(states)
        return logits
