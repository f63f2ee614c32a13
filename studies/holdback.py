"""Validation samples that the search does not see, to score the front on in the end.

The best of many noisy scores is too good: a front that was scored on the samples it was searched
with looks better than it is. So one in three validation samples is kept from the trials, where
there are enough of them and batches can be taken apart. Of every three neighbours one is drawn, by
its position alone: batches do not matter, nor whether classes come in turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_is_leaf, tree_leaves, tree_map

from ..task import Batch, Batches, Task, batch_size
from .fingerprint import leaves

STRIDE = 3
"""One sample in so many is held back."""
KNUTH = 2654435761
"""Multiplier that scatters consecutive numbers (The Art of Computer Programming 3, section 6.4)."""
ENOUGH = 1000
"""Validation samples from which on some are held back: fewer would tell little in two parts."""


@dataclass(frozen=True)
class Part:
    """The validation samples of one purpose, in the order and batches of the whole split.

    Attributes:
        source: the whole split, as :class:`Task` takes it; its order must be the same every time.
        held: the samples held back; else those that the search sees.
    """

    source: Batches | Callable[[], Batches]
    held: bool

    def __call__(self) -> Iterator[Batch]:
        """The batches, without those that nothing is left of."""
        position = 0
        for batch in self.source() if callable(self.source) else self.source:
            count = batch_size(batch[0])
            rows = torch.nonzero(held_back(position, count) == self.held).flatten()
            position += count
            if len(rows):
                yield taken(rows, batch)


def held_back(position: int, count: int) -> Tensor:
    """Which of the samples from a position on are held back, shape (count,)."""
    places = torch.arange(position, position + count)
    blocks = places // STRIDE
    drawn = (blocks * KNUTH % 2**32) // 2**16 % STRIDE
    return places % STRIDE == drawn


def taken(rows: Tensor, part: Any) -> Any:
    """These rows of all tensors with a batch dimension; anything else as it is."""

    def one(leaf: Any) -> Any:
        if isinstance(leaf, Mapping):
            return remade(leaf, {key: taken(rows, value) for key, value in leaf.items()})
        if isinstance(leaf, Tensor) and leaf.dim() > 0:
            return leaf[rows.to(leaf.device)]
        return leaf

    return tree_map(one, part)


def remade(like: Mapping[Any, Any], items: dict[Any, Any]) -> Any:
    """These items in a mapping of that type, by its constructor: nothing else is carried over."""
    make: Callable[[dict[Any, Any]], Any] = type(like)
    return make(items)


def searched(task: Task, held_back: bool) -> Task:
    """The task as trials see it."""
    return replace(task, val=Part(task.val, held=False)) if held_back else task


def unseen(task: Task) -> Task:
    """A :func:`searched` task with the samples that trials do not see in the place of the others.

    Raises:
        TypeError: nothing was held back.
    """
    if not isinstance(task.val, Part):
        raise TypeError(f"no validation samples of {task.name} were held back")
    return replace(task, val=replace(task.val, held=True))


def can_hold_back(task: Task) -> bool:
    """Whether there are samples to spare, in batches that can be taken apart and stay in order."""
    count = 0
    first: list[Tensor] = []
    for batch in task.batches("val"):
        size = batch_size(batch[0])
        if tree_is_leaf(batch) or not all(is_divisible(part, size) for part in batch):
            return False
        first = first or tensors(batch)
        count += size
        if count >= ENOUGH:
            break
    return count >= ENOUGH and same(first, tensors(first_batch(task)))


def first_batch(task: Task) -> Batch:
    """The head of the validation split, read anew."""
    return next(iter(task.batches("val")))


def tensors(batch: Batch) -> list[Tensor]:
    """All tensors of a batch, those in mappings of any type too."""
    return [leaf for leaf in leaves(batch) if isinstance(leaf, Tensor)]


def same(a: Sequence[Tensor], b: Sequence[Tensor]) -> bool:
    """Whether these are the same tensors; a loader that shuffles gives others every time."""
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def is_divisible(part: Any, size: int) -> bool:
    """Whether all tensors have a row per sample, and nothing else in it may be one of many rows.

    A number or word that stands for all is one of a mapping or of the batch itself: in a list it
    may belong to one sample, and so may a tensor without dimensions or a mapping of numbers.
    """
    if isinstance(part, Tensor):
        return part.dim() == 0 or len(part) == size
    if isinstance(part, Mapping):
        return can_remake(part) and all(is_divisible(value, size) for value in part.values())
    if isinstance(part, list | tuple):
        return not tree_is_leaf(part) and all(is_all_rows(value, size) for value in part)
    return part is None or isinstance(part, int | float | str | bool)


def is_all_rows(part: Any, size: int) -> bool:
    """Whether it holds tensors with a row per sample, and nothing else."""
    found = tree_leaves(part)
    return bool(found) and all(
        isinstance(leaf, Tensor) and leaf.dim() > 0 and len(leaf) == size for leaf in found
    )


def can_remake(part: Mapping[Any, Any]) -> bool:
    """Whether :func:`taken` gives a mapping of the same type: pytree or the type can make one."""
    if not tree_is_leaf(part):
        return True
    items = dict(part)
    try:
        again = dict(remade(part, items))
    except Exception:
        return False
    return list(again) == list(items) and all(again[key] is items[key] for key in items)
