"""Hashes that say whether two runs speak of the same weights and the same data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..task import Batch, Batches, Task, batch_size

MAX_SAMPLES = 10_000


def weights_sha256(model: nn.Module) -> str:
    """SHA-256 of the state dict: names, types, shapes and bits, in the order of names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {describe(tensor)}".encode())
        digest.update(as_bytes(tensor.unsqueeze(0))[0])
    return digest.hexdigest()


def data_sha256(task: Task) -> str:
    """SHA-256 of the val split's first 10,000 samples, the same in any order and batch size."""
    return samples_sha256(task.batches("val"), MAX_SAMPLES)


def samples_sha256(batches: Batches, limit: int) -> str:
    """SHA-256 of the first ``limit`` samples as a bag: inputs and targets, not their order."""
    total, count = 0, 0
    for batch in batches:
        for digest in sample_digests(batch):
            total = (total + int.from_bytes(digest, "big")) % 2**256
            count += 1
            if count == limit:
                break
        if count == limit:
            break
    return hashlib.sha256(f"{count} {total:x}".encode()).hexdigest()


def sample_digests(batch: Batch) -> Iterator[bytes]:
    """One SHA-256 per sample of a batch.

    Tensors with the batch dimension give each sample its row; everything else, its text.
    """
    size = batch_size(batch[0])
    rows, shared = [], hashlib.sha256()
    for leaf in leaves(batch):
        if isinstance(leaf, Tensor) and leaf.dim() and len(leaf) == size:
            shared.update(describe(leaf[0]).encode())
            rows.append(as_bytes(leaf))
        else:
            shared.update(repr(leaf).encode())
    for sample in range(size):
        digest = shared.copy()
        for row in rows:
            digest.update(row[sample])
        yield digest.digest()


def leaves(value: Any) -> Iterator[Any]:
    """What nested mappings, lists and tuples hold in the end."""
    if isinstance(value, Mapping):
        for key in value:
            yield from leaves((key, value[key]))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def as_bytes(tensor: Tensor) -> Any:
    """The bits of each row of a tensor as a numpy array (rows, bytes)."""
    whole = tensor.detach().cpu().contiguous()
    flat = whole.reshape(len(whole), whole.numel() // max(1, len(whole)))
    return flat.view(torch.uint8).numpy()


def describe(tensor: Tensor) -> str:
    """Type and shape."""
    return f"{tensor.dtype} {tuple(tensor.shape)}"
