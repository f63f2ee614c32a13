"""JSON that every reader takes: a number that is none, or not finite, is null."""

from __future__ import annotations

import json
import math
from typing import Any


def dumps(document: Any, indent: int | None = None) -> str:
    """A document as text."""
    return json.dumps(finite(document), indent=indent, allow_nan=False)


def finite(document: Any) -> Any:
    """The document with ``None`` for every NaN and infinity.

    >>> finite({"loss": [0.5, math.nan]})
    {'loss': [0.5, None]}
    """
    if isinstance(document, dict):
        return {key: finite(value) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [finite(value) for value in document]
    return None if isinstance(document, float) and not math.isfinite(document) else document
