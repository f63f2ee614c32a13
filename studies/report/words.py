"""Numbers and plans in words."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...search.history import Record
from ..run_record import DenseInfo, ObjectiveInfo
from ..wording import epochs_text

SPACE = "\N{NO-BREAK SPACE}"
NAMED = 8  # densities named in a hover; longer plans are summed up


def number(value: float) -> str:
    """Four significant digits, zeros kept so that columns line up.

    >>> number(0.98412), number(12.3456), number(61706), number(1.0), number(1e-9)
    ('0.9841', '12.35', '61,706', '1.000', '1.000e-09')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.4g}"


def with_unit(value: float, info: ObjectiveInfo) -> str:
    """A value with its unit."""
    return f"{number(value)} {info.unit}".strip()


def title(info: ObjectiveInfo) -> str:
    """Name, unit and which way is better."""
    unit = f" [{info.unit}]" if info.unit else ""
    return f"{info.name}{unit} {'↑' if info.direction == 'maximize' else '↓'}"


def percent(share: float) -> str:
    """A share in percent, on one line.

    >>> percent(0.4281).replace(SPACE, " ")
    '42.8 %'
    """
    return f"{100 * share:.1f}{SPACE}%"


def beside_dense(value: float, info: ObjectiveInfo, dense: DenseInfo) -> str:
    """A value and what it is to the dense model's.

    Qualities are set beside the dense value, costs are shares or multiples of it.
    """
    before = dense.values[info.name]
    if info.name in dense.guess or not before:
        return f"{info.name} {with_unit(value, info)} (dense {with_unit(before, info)})"
    shown = "" if before == 1 else f" ({with_unit(value, info)})"
    if info.direction == "minimize":
        return f"{percent(value / before)} of the dense {info.name}{shown}"
    return f"{value / before:.3g} times the dense {info.name}{shown}"


def listed(parts: list[str]) -> str:
    """Words in a row.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def plan_line(plan: Mapping[str, Any]) -> str:
    """What a plan does, in one line."""
    epochs = plan["recovery"]["epochs"]
    tuned = f", {epochs_text(epochs)}" if epochs else ""
    return (
        f"{plan['ratio']:.1%} of {plan['budget']} removed, {plan['granularity']}, "
        f"{plan['allocation']}, {plan['criterion']}{tuned}"
    )


def densities(plan: Mapping[str, Any]) -> str:
    """What is kept of the groups, as lines of HTML: all of a few, the range of many."""
    density: Mapping[str, float] = plan["density"]
    if not density:
        return "all groups dense"
    if len(density) <= NAMED:
        parts = [f"{html.escape(g)} {d:.0%}" for g, d in density.items()]
        return "kept: " + ",<br>".join(", ".join(parts[i : i + 4]) for i in range(0, len(parts), 4))
    lowest = min(density, key=lambda g: density[g])
    middle = float(np.median(list(density.values())))
    return (
        f"kept of {len(density)} groups: {density[lowest]:.0%} ({html.escape(lowest)}) "
        f"to {max(density.values()):.0%}, median {middle:.0%}"
    )


def short_hover(record: Record, shown: tuple[ObjectiveInfo, ...]) -> str:
    """One trial in three lines of HTML, for the many."""
    values = ", ".join(f"{html.escape(o.name)} {number(record.values[o.name])}" for o in shown)
    head = f"<b>trial {record.number}</b>, rung {record.rung}"
    return f"{head}<br>{values}<br>{plan_line(record.plan)}"


def full_hover(record: Record, shown: tuple[ObjectiveInfo, ...]) -> str:
    """One trial with its values, intervals and densities, for the few."""
    lines = [f"<b>trial {record.number}</b>, rung {record.rung}"]
    for info in shown:
        span = record.interval.get(info.name)
        tail = f" (95 %: {number(span[0])} to {number(span[1])})" if span else ""
        lines.append(f"{html.escape(info.name)} {with_unit(record.values[info.name], info)}{tail}")
    return "<br>".join([*lines, plan_line(record.plan), densities(record.plan)])
