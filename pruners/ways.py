"""Does a cut model go the way of the dense one where widths happen to be equal?

``if x.shape != y.shape: x = self.project(x)`` runs the projection of the dense model, and skips it
once both sides were cut to the same width. Random widths seldom show that, so all groups are cut to
one size at a time, and the operations that then run are counted: on tensors without numbers, which
costs next to nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from .tree import Group, ModelTree

STEPS = frozenset(
    [
        "convolution",
        "mm",
        "addmm",
        "bmm",
        "baddbmm",
        "mv",
        "embedding",
        "cat",
        "constant_pad_nd",
        "native_layer_norm",
        "native_group_norm",
        "native_batch_norm",
        "_softmax",
    ]
)
"""Operations whose number says which way a forward took, whatever the sizes are."""
MAX_SIZES = 8


class Steps(TorchDispatchMode):
    """Counts operations by name."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """One operation."""
        name = func.overloadpacket.__name__
        if name in STEPS:
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


def equal_sizes(tree: ModelTree, groups: Sequence[Group]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Sizes that parameters often have, each with the units that bring the groups there.

    Groups that cannot have a size, or that have it, stay whole.
    """
    found = Counter(n for tensor in tree.tensors for n in tensor.shape if n > 1)
    narrowest = min(g.width * len(g.cuts[0].indices[0]) for g in groups)
    for size in dict.fromkeys([narrowest, *(n for n, _ in found.most_common(MAX_SIZES))]):
        if keep := dict(narrowed(groups, size)):
            yield size, keep


def narrowed(groups: Sequence[Group], size: int) -> Iterator[tuple[str, list[int]]]:
    """The first units of every group, as many as give ``size`` positions of one of its tensors."""
    for group in groups:
        for per_unit in dict.fromkeys(len(cut.indices[0]) for cut in group.cuts):
            units, rest = divmod(size, per_unit)
            if not rest and 0 < units < group.width:
                yield group.name, list(range(units))
                break
