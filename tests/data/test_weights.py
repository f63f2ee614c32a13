from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hierprune.data import weights
from hierprune.errors import UsageError


@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model"])
def test_weights_come_out_of_checkpoints(tmp_path: Path, key: str | None):
    state = {"a": torch.ones(2)}
    torch.save(state if key is None else {key: state, "epoch": 3}, tmp_path / "w.pt")
    assert weights(tmp_path / "w.pt")["a"].tolist() == [1, 1]


def test_safetensors(tmp_path: Path):
    save_file({"a": torch.ones(2)}, tmp_path / "w.safetensors")
    assert weights(tmp_path / "w.safetensors")["a"].tolist() == [1, 1]


@pytest.mark.parametrize("content", [{"a": Path()}, torch.nn.Linear(1, 1), torch.ones(2)])
def test_files_that_hold_anything_else_are_not_unpickled(tmp_path: Path, content: object):
    torch.save(content, tmp_path / "bad.pt")
    with pytest.raises(UsageError, match=r"bad\.pt must hold tensors by name"):
        weights(tmp_path / "bad.pt")


@pytest.mark.parametrize("name", ["none.pt", "none.safetensors", "damaged.safetensors"])
def test_files_that_cannot_be_read(tmp_path: Path, name: str):
    (tmp_path / "damaged.safetensors").write_bytes(b"damaged")
    with pytest.raises(UsageError, match=name.partition(".")[0]):
        weights(tmp_path / name)
