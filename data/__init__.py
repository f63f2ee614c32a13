"""Readers for data that lies on disk: tensors, tables, folders of images, and trained weights.

Every reader gives :class:`Splits`: disjoint rows for training, for the search and for the final
test, in batches of ``(inputs, targets)`` as a :class:`hierprune.Task` takes them.
"""

from __future__ import annotations

from .arrays import tensors
from .pictures import images
from .rows import Rows, Splits
from .tables import table
from .weights import weights

__all__ = ["Rows", "Splits", "images", "table", "tensors", "weights"]
