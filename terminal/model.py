"""One model: picked, trained, verified, exported, or beside another."""

from __future__ import annotations

from pathlib import Path

from ..live import say
from ..objectives.base import Measurement
from ..studies.card import INT8, PLUS_MINUS, bar, number, side_cell, verdicts, with_interval
from ..studies.compare import Comparison
from ..studies.export import Exported
from ..studies.picked import Picked
from ..studies.quantize import Quantized
from ..studies.trained import Trained
from ..studies.verify_picked import Verified
from .study import head_of, title_of
from .tables import Column, show, table


def show_picked(picked: Picked, folder: Path | None) -> None:
    """What was picked, beside the dense model."""
    record, names = picked.record, picked.record.names
    sides = {
        "dense\nvalidation": (record.dense.values, record.dense.interval),
        "picked\nvalidation": (picked.values, picked.interval),
        "dense\ntest": (picked.dense_test, picked.dense_test_interval),
        "picked\ntest": (picked.test, picked.test_interval),
    }
    heads = [head_of(info).replace("\n", ", " if info.unit else " ") for info in record.measured]
    columns = [
        Column(head, [side_cell(values, spans, n) for n in names])
        for head, (values, spans) in sides.items()
    ]
    title = f"{title_of(record)}: trial {picked.trial}"
    show(table(title, [Column("", heads, False), *columns]))
    say(f"{PLUS_MINUS}; the test split was read now, once for this model")
    if picked.latency:
        say(picked.latency)
    for sentence in verdicts(picked):
        say(sentence)
    if folder is not None:
        say(f"wrote {folder}; load it with: hierprune.load({str(folder)!r})")
        if picked.file is not None:
            say(f"these scores are those of {folder / INT8}; load gives the model before int8")
    else:
        say("nothing written; pass --out DIR to keep it")


def show_trained(trained: Trained, folder: Path) -> None:
    """What was pruned while it trained, beside the dense model."""
    names = list(trained.values)
    cells = zip(*(trained.cells(name) for name in names), strict=True)
    columns = [
        Column(head.replace(", ", "\n"), list(column))
        for head, column in zip(trained.sides(), cells, strict=True)
    ]
    show(table(trained.task, [Column("", names, False), *columns]))
    say(f"{PLUS_MINUS}; the test split was read now, once for this model")
    say(f"wrote {folder}; load it with: hierprune.load({str(folder)!r})")


def show_comparison(found: Comparison) -> None:
    """Scores, decisions and densities of two models."""
    units = {**found.a.units, **found.b.units}
    scores = list(found.scores())
    names = [
        f"{row.name}, {units[row.name]}" if units.get(row.name) else row.name for row in scores
    ]
    decisions = found.decisions()
    spans_a, spans_b = found.a.interval, found.b.interval
    left = [*(with_interval(row.a, spans_a.get(row.name)) for row in scores)]
    right = [*(with_interval(row.b, spans_b.get(row.name)) for row in scores)]
    change = [signed(row.difference) for row in scores] + [""] * len(decisions)
    columns = [
        Column("", [*names, *(name for name, _, _ in decisions)], False),
        Column(found.a.name, [*left, *(a for _, a, _ in decisions)]),
        Column(found.b.name, [*right, *(b for _, _, b in decisions)]),
        Column("difference", change),
    ]
    show(table("Scores and decisions; scores of the validation split, if not said", columns))
    say(PLUS_MINUS)
    kept = found.densities()
    columns = [
        Column("group", [row.name for row in kept], False),
        Column(found.a.name, [share(row.a) for row in kept], False),
        Column(found.b.name, [share(row.b) for row in kept], False),
    ]
    show(table("Share of the units kept", columns))
    if not found.same_dense:
        say("these two were not pruned from the same dense weights")


def signed(value: float | None) -> str:
    """A difference with its sign."""
    if value is None:
        return ""
    return "=" if value == 0 else f"{'+' if value > 0 else '-'}{number(abs(value))}"


def share(value: float | None) -> str:
    """A density with a bar; a dash where the plan does not name the group."""
    return "-" if value is None else f"{bar(value)[::2]} {value:7.2%}"


def show_verified(found: Verified) -> None:
    """Promised and measured scores."""
    names = list(found.measured)
    columns = [
        Column("", [*names, "parameters", "bytes stored"], False),
        Column("promised", [*(number(found.promised.get(n)) for n in names), "", ""]),
        Column(
            "measured now",
            [*map(number, found.measured.values()), f"{found.params:,}", f"{found.bytes:,}"],
        ),
    ]
    form = ", int8 file" if found.int8 else ""
    show(table(f"{found.folder}, test split{form}", columns))
    say("the model keeps its promise" if found.ok else "the scores are NOT those of the plan")


def show_exported(found: Exported) -> None:
    """The file that was written, its size, and how closely it follows the model."""
    rows = {
        "bytes": f"{found.bytes:,}",
        "bytes of the dense weights": f"{found.dense_bytes:,}",
        "largest difference of outputs": f"{found.difference:.2g}",
    }
    columns = [Column("", list(rows), False), Column("found", list(rows.values()))]
    show(table(str(found.path), columns))
    say(f"wrote {found.path}; it agrees with the model on validation inputs")


def show_quantized(found: Quantized) -> None:
    """The file that was written, and its scores beside the model's."""
    names = list(found.quality)
    sides = {"single precision": (found.float_bytes, found.float_quality)}
    sides["int8"] = (found.bytes, found.quality)
    columns = [
        Column(head, [f"{size:,}", *(cell_of(quality[n]) for n in names)])
        for head, (size, quality) in sides.items()
    ]
    rows = ["bytes of the ONNX file", *(f"{n}, validation" for n in names)]
    show(table(str(found.path), [Column("", rows, False), *columns]))
    say(f"wrote {found.path}; its outputs differ from the model's, as its scores say")


def cell_of(found: Measurement) -> str:
    """A score with its interval."""
    if found.low is None or found.high is None:
        return number(found.value)
    return with_interval(found.value, (found.low, found.high))
