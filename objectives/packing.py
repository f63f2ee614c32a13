"""A state dict as it is stored: safetensors, sparse tensors as values and a compact index.

A tensor with many zeros is stored as its non-zero values, in order, and an index of where they
stand (:mod:`.sparse_index`); the cheapest code is taken, and the whole tensor where no code is
cheaper. *Zero* means that all bits are 0, so that what comes back equals what went in bit for
bit; -0.0 is a value. Tied tensors are stored once.

>>> weight = torch.zeros(1000)
>>> weight[[3, 4, 900]] = 1.0
>>> packed = pack({"weight": weight})
>>> {name: (str(t.dtype), len(t)) for name, t in packed.tensors.items()}
{'weight.index': ('torch.uint16', 3), 'weight.values': ('torch.float32', 3)}
>>> bool(unpack(packed)["weight"].equal(weight))
True
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ..errors import UsageError
from ..whole import write_whole
from .sparse_index import CODES, Code, Positions, cost, decode, encode

FORMAT = 1
METADATA_KEY = "hierprune"  # the only key: safetensors writes several in random order
ENTRY_BYTES = 128  # about what one more tensor costs in the header of the file

_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(frozen=True)
class Sparse:
    """How one sparse tensor is stored: its shape, and the code of its index."""

    shape: tuple[int, ...]
    code: Code


@dataclass(frozen=True)
class Packed:
    """What goes into the file.

    Attributes:
        tensors: by stored name; a sparse tensor ``name`` is ``name.values`` and ``name.index``,
            which are no names of a state dict where ``name`` is one.
        sparse: the sparse tensors, by name.
        ties: entries that are the same tensor as an earlier one, and its name.
    """

    tensors: Mapping[str, Tensor]
    sparse: Mapping[str, Sparse] = field(default_factory=dict)
    ties: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The content of the file; equal for equal tensors."""
        sparse = {name: [list(s.shape), s.code] for name, s in self.sparse.items()}
        about = {"format": FORMAT, "sparse": sparse, "ties": dict(self.ties)}
        metadata = {METADATA_KEY: json.dumps(about, sort_keys=True)}
        return safetensors.torch.save(dict(self.tensors), metadata)


def save_state(state: Mapping[str, Tensor], path: Path) -> None:
    """Write a state dict; a reader sees the old file or the whole new one."""
    write_whole(path, pack(state).to_bytes(), durable=True)


def load_state(path: Path) -> dict[str, Tensor]:
    """The state dict of :func:`save_state`, or of any safetensors file, on the CPU.

    Raises:
        UsageError: the file is damaged or of a newer format.
        OSError: it cannot be read.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            about = (file.metadata() or {}).get(METADATA_KEY)
        return unpack(_described(tensors, about))
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} is damaged: {error}") from error


def stored_bytes(state: Mapping[str, Tensor], *, sparse: bool = True) -> int:
    """Size of the file that :func:`save_state` writes; ``sparse=False``: with all tensors whole."""
    return len(pack(state, sparse=sparse).to_bytes())


def pack(state: Mapping[str, Tensor], *, sparse: bool = True) -> Packed:
    """The tensors of a state dict as stored; ``sparse=False`` leaves every tensor whole.

    Raises:
        UsageError: an entry is no tensor.
    """
    tensors: dict[str, Tensor] = {}
    codes: dict[str, Sparse] = {}
    ties = find_ties(state)
    for name in state.keys() - ties.keys():
        tensor = state[name].detach().cpu().contiguous()
        positions = sparse_positions(tensor) if sparse else None
        if positions is None:
            tensors[name] = tensor
        else:
            code, values, index = _encoded(tensor, positions)
            codes[name] = Sparse(tuple(tensor.shape), code)
            tensors |= {f"{name}.values": values, f"{name}.index": index}
    return Packed(_own_memory(tensors), codes, ties)


def unpack(packed: Packed) -> dict[str, Tensor]:
    """The state dict that :func:`pack` was given; ties are the same tensor object.

    Raises:
        KeyError, ValueError: the parts do not fit together.
    """
    state = dict(packed.tensors)
    for name, sparse in packed.sparse.items():
        values, index = state.pop(f"{name}.values"), state.pop(f"{name}.index")
        size = math.prod(sparse.shape)
        positions = decode(index.numpy(), size, sparse.code)
        if values.shape != positions.shape:
            raise ValueError(f"{len(values)} values for {len(positions)} positions in {name!r}")
        tensor = values.new_zeros(size)
        tensor[torch.from_numpy(positions)] = values
        state[name] = tensor.view(sparse.shape)
    return state | {alias: state[name] for alias, name in packed.ties.items()}


def find_ties(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Entries that are the same memory in the same layout as an earlier one, and its name."""
    first: dict[Any, str] = {}
    ties: dict[str, str] = {}
    for name, tensor in state.items():
        if not isinstance(tensor, Tensor):
            kind = type(tensor).__name__
            raise UsageError(f"a state dict must hold tensors, got {kind} for {name!r}")
        layout = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        earlier = first.setdefault(layout, name)
        if earlier != name and tensor.numel():
            ties[name] = earlier
    return ties


def sparse_positions(tensor: Tensor) -> Positions | None:
    """Positions of the non-zeros in the flat tensor; None where it is cheaper as a whole."""
    size, item = tensor.numel(), tensor.element_size()
    if item not in _BITS or size * item <= ENTRY_BYTES:
        return None
    bits = tensor.flatten().view(_BITS[item]).numpy()
    values = int(np.count_nonzero(bits))
    if values * item + min(values, size // 8) + ENTRY_BYTES >= size * item:  # at the very least
        return None
    positions = np.flatnonzero(bits)
    cheapest = min(cost(positions, size, item, code) for code in CODES)
    return positions if cheapest + ENTRY_BYTES < size * item else None


def _encoded(tensor: Tensor, positions: Positions) -> tuple[Code, Tensor, Tensor]:
    """The cheapest code, with the values and the index to store."""
    size, item = tensor.numel(), tensor.element_size()
    code = min(CODES, key=lambda c: cost(positions, size, item, c))
    entries, index = encode(positions, size, code)
    return code, tensor.flatten()[torch.from_numpy(entries)], torch.from_numpy(index)


def _own_memory(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that share no memory: views of one storage are copied apart."""
    seen: set[int] = set()
    apart = {}
    for name, tensor in sorted(tensors.items()):
        storage = tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone() if storage in seen else tensor
        seen.add(storage)
    return apart


def _described(tensors: Mapping[str, Tensor], about: str | None) -> Packed:
    """The stored tensors with what the metadata says of them; without metadata all are whole."""
    if about is None:
        return Packed(tensors)
    data = json.loads(about)
    if data["format"] != FORMAT:
        raise ValueError(f"format {data['format']}, this version reads {FORMAT}")
    sparse = {name: Sparse(tuple(shape), code) for name, (shape, code) in data["sparse"].items()}
    return Packed(tensors, sparse, data["ties"])
