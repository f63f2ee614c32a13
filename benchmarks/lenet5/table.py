"""The table and the picture of the models that are finished.

    python -m hierprune.benchmarks.lenet5.table ROWS.jsonl [--picture FILE.svg]

Prints Markdown: means over the seeds, and the standard deviation where there are several; then
whether cut networks beat the same ones trained from scratch.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .points import PARAMS, POINTS, Point
from .run import read

LITERATURE = {
    "Han et al. 2015": (12.0, 99.23),
    "DNS": (108.0, 99.09),
    "Sparse VD": (280.0, 99.25),
}
"""Compression in parameters, and test accuracy in percent, as published."""
HEAD = ("", "seeds", "epochs", "test accuracy", "test loss", "bar", "fewer parameters", "MACs",
        "bytes stored", "published")  # fmt: skip


def lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The table, row by row; points without a finished model say so."""
    yield "| " + " | ".join(HEAD) + " |"
    yield "|---" * len(HEAD) + "|"
    for point in POINTS:
        cells = cells_of(point, [r for r in rows if r["point"] == point.name])
        yield f"| {point.name} | " + " | ".join(cells) + " |"


def verdicts(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A sentence for every cut network that stands beside one from scratch, on the same seeds."""
    for point in POINTS:
        pairs = [
            (own["accuracy"], other["accuracy"])
            for own in rows
            for other in rows
            if own["point"] == point.name
            and other["point"] == f"{point.name}, from scratch"
            and own["seed"] == other["seed"]
        ]
        if pairs:
            own, other = (statistics.mean(side) for side in zip(*pairs, strict=True))
            verdict = "beats" if own > other else "does **not** beat"
            yield (
                f"- {point.name}: the cut network {verdict} the one from scratch, "
                f"{own:.2%} against {other:.2%} ({len(pairs)} seeds)."
            )


def cells_of(point: Point, own: Sequence[Mapping[str, Any]]) -> list[str]:
    """One row behind its name."""
    bar = "" if point.bar is None else f"{point.bar:.2%}"
    if not own:
        return ["0", "", "not run yet", "", bar, "", "", "", point.shown]
    mean = {k: statistics.mean(r[k] for r in own) for k in own[0] if k not in ("point", "seed")}
    spread = statistics.stdev([r["accuracy"] for r in own]) if len(own) > 1 else None
    missed = point.bar is not None and mean["accuracy"] < point.bar
    return [
        str(len(own)),
        f"{mean['epochs']:g}",
        f"{mean['accuracy']:.2%}" + (f" ± {spread:.2%}" if spread is not None else ""),
        f"{mean['loss']:.4f}",
        f"{bar} missed" if missed else bar,
        f"{PARAMS / mean['params']:.1f}x",
        f"{mean['macs']:,.0f}",
        f"{mean['bytes']:,.0f}",
        point.shown,
    ]


def draw(rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Test accuracy against compression, beside what was published."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4))
    kinds = {p.name: p.granularity or "trained as it is" for p in POINTS}
    for kind in dict.fromkeys(kinds.values()):
        own = [r for r in rows if kinds.get(r["point"]) == kind]
        factors = [PARAMS / r["params"] for r in own]
        axes.scatter(factors, [100 * r["accuracy"] for r in own], label=kind)
    factors, accuracies = zip(*LITERATURE.values(), strict=True)
    axes.scatter(factors, accuracies, marker="x", color="grey", label="published")
    for name, place in LITERATURE.items():
        axes.annotate(name, place, fontsize=8, color="grey")
    axes.set(xscale="log", xlabel="times fewer parameters", ylabel="test accuracy [%]")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(file, bbox_inches="tight")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table; draw where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args(arguments)
    rows = read(given.rows)
    print("\n".join([*lines(rows), "", *verdicts(rows)]))
    if given.picture is not None:
        draw(rows, given.picture)


if __name__ == "__main__":
    main()
