"""Rows of a CSV file: columns of numbers, and a column to be predicted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from ..errors import UsageError, unknown
from .rows import Rows, Splits, split


def table(
    file: str | Path,
    target: str,
    columns: Sequence[str] | None = None,
    batch: int = 64,
    seed: int = 0,
) -> Splits:
    """Rows of a CSV file with a header, split 70 : 15 : 15 in random order.

    Args:
        file: read by pandas.
        target: the column to predict; words become classes in alphabetical order, whole numbers
            stay classes as they are, other numbers stay numbers.
        columns: what the model sees, in this order, as float32; default: all others.
        batch: rows per batch.
        seed: of the order in which rows are drawn.

    Raises:
        UsageError: no such file or column, or a value that is missing or no number.
    """
    file = Path(file)
    try:
        frame = pd.read_csv(file)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {file} as CSV: {error}") from error
    wanted = [str(c) for c in frame.columns if c != target] if columns is None else list(columns)
    for name in (target, *wanted):
        if name not in frame:
            raise unknown(f"column of {file}", name, map(str, frame.columns))
    words = [c for c in wanted if not pd.api.types.is_numeric_dtype(frame[c])]
    if words:
        raise UsageError(f"{file}: {', '.join(words)} must hold numbers; name others by columns=")
    gaps = [c for c in (target, *wanted) if frame[c].isna().any()]
    if gaps:
        raise UsageError(f"{file}: values are missing in {', '.join(gaps)}")
    inputs = torch.tensor(frame[wanted].to_numpy("float32"))
    return split(file.stem, Rows((inputs,), encoded(frame[target]), batch), seed)


def encoded(column: pd.Series) -> Tensor:
    """A column as targets: classes int64 (N,), numbers float32 (N,)."""
    if pd.api.types.is_float_dtype(column):
        return torch.tensor(column.to_numpy("float32"))
    if pd.api.types.is_integer_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return torch.tensor(column.to_numpy("int64"))
    return torch.tensor(pd.factorize(column, sort=True)[0]).long()
