"""Words and their pronunciations, and the trained weights."""

from __future__ import annotations

from pathlib import Path

from ...data.rows import Rows, Splits, with_held_out
from ...data.weights import weights
from ...errors import UsageError
from ..folder import (
    check_shapes,
    package_file,
    read_arrays,
)
from .model import KEYS, LettersToPhonemes

NAME = "g2p"
WORDS = "data.npz"
WEIGHTS = "weights.pt"
HELD_OUT = 2000  # training words that the search is scored on

CONTENTS = (
    f"{WORDS} with the arrays x (N, T) letters, n (N,) their number and y (N, S + 1) phonemes "
    "between start 2 and end 3, padded with 0, each for _train and _test"
)


def load_words(folder: Path) -> Splits:
    """Words for training, the last 2,000 of them for val, and others for the test.

    Raises:
        UsageError: the folder does not hold these arrays.
    """
    known, test = (read_words(folder / WORDS, part) for part in ("train", "test"))
    return with_held_out(NAME, known, test, HELD_OUT)


def read_words(file: Path, part: str) -> Rows:
    """Inputs (letters, lengths, previous phonemes) and targets, the phonemes: (N, S)."""
    x, n, y = f"x_{part}", f"n_{part}", f"y_{part}"
    arrays = read_arrays(file, {x: (None, None), n: (None,), y: (None, None)})
    phonemes = arrays[y]
    return Rows((arrays[x], arrays[n], phonemes[:, :-1]), phonemes[:, 1:])


def weights_file(folder: Path) -> Path:
    """The trained weights: the user's, or those that the package g2p_en brings along.

    Raises:
        UsageError: there are none; the message says how to get them.
    """
    own = folder / WEIGHTS
    found = own if own.is_file() else package_file("g2p_en", "checkpoint20.npz")
    if found is None:
        raise UsageError(
            f"the trained weights are missing: put {WEIGHTS} into {folder}, or install them "
            "(pip install --no-deps g2p-en)"
        )
    return found


def trained_model(file: Path) -> LettersToPhonemes:
    """The network with the weights of a ``.pt`` or ``.npz`` file.

    Raises:
        UsageError: the file does not hold them.
    """
    model = LettersToPhonemes()
    shapes = {theirs: tuple(model.get_parameter(ours).shape) for theirs, ours in KEYS.items()}
    state = read_arrays(file, shapes) if file.suffix == ".npz" else weights(file)
    check_shapes(file, state, shapes)
    model.load_state_dict({ours: state[theirs] for theirs, ours in KEYS.items()})
    return model.eval()
