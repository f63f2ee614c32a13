"""A trial as a row of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..search.history import Record


def row_of(record: Record) -> dict[str, Any]:
    """One trial as a flat row."""
    density: Mapping[str, float] = record.plan.get("density", {})
    return {
        "rung": record.rung,
        **record.values,
        "ratio": record.plan.get("ratio"),
        "granularity": record.plan.get("granularity"),
        "allocation": record.plan.get("allocation"),
        "quantization": record.plan.get("quantization", "none"),
        "seconds": sum(record.seconds.values()),
        **{f"density:{g}": d for g, d in density.items()},
    }


def bounds_of(record: Record) -> dict[str, float]:
    """The ends of all intervals of a trial."""
    spans = record.interval.items()
    return {
        f"{name}_{end}": span[i] for name, span in spans for i, end in enumerate(("low", "high"))
    }
