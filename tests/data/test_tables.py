from pathlib import Path

import pytest
import torch

from hierprune.data import table
from hierprune.errors import UsageError

LINES = "\n".join(f"{i},{i / 2},{'yes' if i % 2 else 'no'}" for i in range(20))


def write(folder: Path, head: str = "a,b,label", lines: str = LINES) -> Path:
    file = folder / "rows.csv"
    file.write_text(f"{head}\n{lines}\n")
    return file


def test_words_are_classes_in_alphabetical_order(tmp_path: Path):
    found = table(write(tmp_path), "label")
    for part in (found.train, found.val, found.test):
        for inputs, targets in part:
            assert inputs.shape[1] == 2
            assert (inputs[:, 0] % 2 == targets).all()
            assert targets.dtype == torch.int64


def test_numbers_stay_numbers_and_columns_are_chosen(tmp_path: Path):
    inputs, targets = next(iter(table(write(tmp_path), "b", ["a"]).val))
    assert targets.dtype == torch.float32
    assert torch.equal(inputs[:, 0] / 2, targets)


def test_what_cannot_be_read_is_named(tmp_path: Path):
    file = write(tmp_path)
    with pytest.raises(UsageError, match="did you mean 'label'"):
        table(file, "lable")
    with pytest.raises(UsageError, match="label must hold numbers"):
        table(file, "a")
    with pytest.raises(UsageError, match="values are missing in b"):
        table(write(tmp_path, lines=LINES + "\n20,,no"), "label")
    with pytest.raises(UsageError, match="cannot read"):
        table(tmp_path / "none.csv", "label")
