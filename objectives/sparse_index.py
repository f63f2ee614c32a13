"""Where the values of a sparse tensor stand: a bit mask, or the gaps between them.

Gaps follow Han et al. 2016, "Deep Compression" (arXiv:1510.00149), section 2: a gap is stored in
one small integer, and one too wide for it is bridged by entries whose value is 0.

>>> positions = np.array([3, 4, 900])
>>> [cost(positions, 1000, 4, code) for code in CODES]
[137, 30, 18, 24]
>>> entries, index = encode(positions, 1000, "uint8")
>>> entries.tolist(), index.tolist()
([3, 4, 260, 516, 772, 900], [3, 0, 255, 255, 255, 127])
>>> decode(index, 1000, "uint8").tolist()
[3, 4, 260, 516, 772, 900]
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Code = Literal["mask", "uint8", "uint16", "int32"]
CODES: tuple[Code, ...] = get_args(Code)
Positions = NDArray[np.int64]

_REACH = {"uint8": 2**8, "uint16": 2**16, "int32": 2**31}  # the widest step of one entry


def cost(positions: Positions, size: int, itemsize: int, code: Code) -> int:
    """Bytes of values and index of a tensor of ``size`` elements with values at ``positions``."""
    if code == "mask":
        return len(positions) * itemsize + -(-size // 8)
    entries = int(_entries(_steps(positions), code).sum())
    return entries * (itemsize + np.dtype(code).itemsize)


def encode(positions: Positions, size: int, code: Code) -> tuple[Positions, NDArray[Any]]:
    """The positions whose values are to be stored (bridges included), and the index of them."""
    if code == "mask":
        mask = np.zeros(size, dtype=bool)
        mask[positions] = True
        return positions, np.packbits(mask)
    steps = _steps(positions)
    entries = _entries(steps, code)
    gaps = np.full(int(entries.sum()), _REACH[code] - 1, dtype=np.int64)
    gaps[np.cumsum(entries) - 1] = (steps - 1) % _REACH[code]
    return _walk(gaps), gaps.astype(code)


def decode(index: NDArray[Any], size: int, code: Code) -> Positions:
    """The positions that :func:`encode` gave.

    Raises:
        ValueError: the index does not belong to a tensor of that size.
    """
    if code == "mask":
        if index.dtype != np.uint8 or len(index) != -(-size // 8):
            raise ValueError(f"a mask of {size} bits in {len(index)} x {index.dtype}")
        return np.flatnonzero(np.unpackbits(index, count=size))
    if index.dtype != np.dtype(code) or np.any(index < 0):
        raise ValueError(f"gaps must be {code} and >= 0, got {index.dtype}")
    positions = _walk(index.astype(np.int64))
    if len(positions) and positions[-1] >= size:
        raise ValueError(f"position {positions[-1]} in a tensor of {size} elements")
    return positions


def _steps(positions: Positions) -> Positions:
    """Distances from one position to the next, from -1 on; all >= 1."""
    return np.diff(positions, prepend=-1)


def _entries(steps: Positions, code: Code) -> Positions:
    """How many entries each step takes: itself and its bridges."""
    return 1 + (steps - 1) // _REACH[code]


def _walk(gaps: Positions) -> Positions:
    """The positions that a walk over these gaps visits."""
    return np.cumsum(gaps + 1) - 1
