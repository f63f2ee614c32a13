from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from hierprune.errors import UsageError
from hierprune.objectives.packing import (
    load_state,
    pack,
    save_state,
    stored_bytes,
    unpack,
)

DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.uint8,
    torch.bool,
]


def same_bits(a: Tensor, b: Tensor) -> bool:
    return (
        a.dtype == b.dtype
        and a.shape == b.shape
        and a.contiguous()
        .flatten()
        .view(torch.uint8)
        .equal(b.contiguous().flatten().view(torch.uint8))
    )


def sparse_tensor(shape: list[int], density: float, dtype: torch.dtype, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=generator)
    kept = torch.rand(shape, generator=generator) < density
    return values.masked_fill(~kept, 0.0).to(dtype)


@given(
    shape=st.lists(st.integers(0, 40), max_size=3),
    density=st.sampled_from([0.0, 0.003, 0.05, 0.3, 0.9, 1.0]),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 100),
)
def test_round_trip_is_exact_and_never_larger(
    shape: list[int], density: float, dtype: torch.dtype, seed: int
):
    state = {"layer.weight": sparse_tensor(shape, density, dtype, seed)}
    assert same_bits(unpack(pack(state))["layer.weight"], state["layer.weight"])
    assert stored_bytes(state) <= stored_bytes(state, sparse=False)


@given(st.integers(0, 2**31), st.integers(300, 5000))
def test_any_bits_survive(seed: int, size: int):
    """NaN with payloads, infinities, denormals and -0.0."""
    generator = torch.Generator().manual_seed(seed)
    bits = torch.randint(-(2**31), 2**31, (size,), generator=generator, dtype=torch.int32)
    bits[torch.rand(size, generator=generator) < 0.9] = 0
    bits[::7] = -(2**31)  # -0.0
    weight = bits.view(torch.float32)
    assert same_bits(unpack(pack({"w": weight}))["w"], weight)


@pytest.mark.parametrize(
    ("density", "code"), [(0.5, "mask"), (0.02, "uint8"), (0.0005, "uint16"), (1.0, None)]
)
def test_code_follows_density(density: float, code: str | None):
    packed = pack({"w": sparse_tensor([300, 300], density, torch.float32, 0)})
    assert (packed.sparse["w"].code if packed.sparse else None) == code


def test_file_round_trip_of_a_tied_pruned_model(tmp_path: Path):
    model = nn.Sequential(nn.Linear(64, 64, bias=False), nn.Linear(64, 64), nn.BatchNorm1d(64))
    model[1].weight = model[0].weight
    with torch.no_grad():
        model[0].weight[torch.rand(64, 64) < 0.95] = 0
    save_state(model.state_dict(), tmp_path / "model.safetensors")
    state = load_state(tmp_path / "model.safetensors")
    assert state.keys() == model.state_dict().keys()
    assert all(same_bits(state[name], t) for name, t in model.state_dict().items())
    assert state["1.weight"] is state["0.weight"]
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_file_size_is_what_compression_counts(tmp_path: Path):
    state = {"w": sparse_tensor([100, 100], 0.1, torch.float32, 0), "b": torch.randn(100)}
    save_state(state, tmp_path / "model.safetensors")
    assert (tmp_path / "model.safetensors").stat().st_size == stored_bytes(state)


def test_equal_states_give_equal_bytes():
    state = {n: sparse_tensor([50, 50], 0.2, torch.float32, i) for i, n in enumerate("dacb")}
    assert pack(state).to_bytes() == pack(dict(sorted(state.items()))).to_bytes()


def test_views_of_one_memory_are_stored_apart():
    memory = torch.randn(4, 4)
    state = {"rows": memory[:2], "all": memory, "turned": memory.t()}
    packed = pack(state)
    assert packed.ties == {}
    loaded = safetensors.torch.load(packed.to_bytes())
    assert all(loaded[name].equal(tensor) for name, tensor in state.items())


def test_plain_safetensors_file_loads(tmp_path: Path):
    weight = torch.randn(3, 3)
    safetensors.torch.save_file({"weight": weight}, tmp_path / "plain.safetensors")
    assert load_state(tmp_path / "plain.safetensors")["weight"].equal(weight)


def test_damage_is_said(tmp_path: Path):
    file = tmp_path / "model.safetensors"
    save_state({"w": sparse_tensor([100, 100], 0.1, torch.float32, 0)}, file)
    whole = file.read_bytes()
    for damaged in (whole[:-5], b"", whole.replace(b'"w.values"', b'"w.volues"')):
        file.write_bytes(damaged)
        with pytest.raises(UsageError, match=r"model\.safetensors is damaged"):
            load_state(file)


def test_newer_format_is_said(tmp_path: Path):
    file = tmp_path / "model.safetensors"
    save_state({"w": torch.ones(2)}, file)
    content = file.read_bytes()
    file.write_bytes(content.replace(rb"\"format\": 1", rb"\"format\": 9"))
    with pytest.raises(UsageError, match="format 9, this version reads 1"):
        load_state(file)


def test_entry_that_is_no_tensor():
    with pytest.raises(UsageError, match="got int for 'extra'"):
        pack({"extra": 3})
