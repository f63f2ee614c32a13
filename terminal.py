"""What people see of results: tables on stdout, a remark below them on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.measure import Measurement as Width
from rich.table import Table
from rich.text import Text

from .live import say
from .objectives.base import Measurement
from .search.history import Record
from .studies.card import INT8, PLUS_MINUS, bar, number, side_cell, verdicts, with_interval
from .studies.compare import Comparison
from .studies.export import Exported
from .studies.picked import Picked
from .studies.quantize import Quantized
from .studies.run_record import ObjectiveInfo, RunRecord
from .studies.study import Study
from .studies.trained import Trained
from .studies.verify_picked import Verified
from .studies.verify_run import Audit
from .studies.wording import agreement_words

LATENCY = "latency"
PREDICTED = "p"
MARKS = {"faster": "", "slower": "SLOWER", "undecided": "~"}
COSTS = ("params", "macs")
"""Shown beside the objectives in every front."""

out = Console(highlight=False)


@dataclass(frozen=True)
class Column:
    """Head and cells of a table, top to bottom; numbers stand to the right."""

    head: str
    cells: Sequence[str]
    right: bool = True


def show_json(document: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(document, indent=1, allow_nan=False) + "\n")


def table(title: str, columns: Iterable[Column]) -> Table:
    """A table of plain text: where there is no room words are folded, numbers stay whole."""
    grid = Table(
        title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1)
    )
    columns = list(columns)
    for column in columns:
        grid.add_column(
            Text(column.head),
            justify="right" if column.right else "left",
            overflow="fold",
            min_width=max(map(len, column.cells), default=0) if column.right else None,
        )
    for row in zip(*(c.cells for c in columns), strict=True):
        grid.add_row(*map(Text, row))
    return grid


def show(grid: Table) -> None:
    """A table on stdout, beyond the edge of the terminal where its numbers need that.

    Its title stands above it, in one line: a table folds its own to its width.
    """
    if isinstance(grid.title, Text) and grid.title:
        out.print(grid.title, soft_wrap=True)
    grid.title = None
    out.print(grid, crop=False)


def fitting(title: str, needed: Sequence[Column], more: Sequence[Column]) -> Table:
    """A table of the needed columns and as many of the others, from the first, as there is room."""
    for count in range(len(more), 0, -1):
        grid = table(title, [*needed, *more[:count]])
        width = Width.get(out, out.options.update(width=10_000), grid).maximum
        if width <= out.width:
            return grid
    return table(title, needed)


def show_front(study: Study) -> None:
    """The front as a table, the dense model first, in as many columns as the terminal holds."""
    record, records, counts = study.record, study.front_records(), study.counts()
    title = (
        f"{title_of(record)}: {len(records)} models on the front, "
        f"hypervolume {study.hypervolume():.4f}"
    )
    first = [Column("trial", ["dense", *(str(r.number) for r in records)])]
    kinds = [r.plan.get("quantization", "none") for r in records]
    quantized = sum(kind != "none" for kind in kinds)
    if quantized:
        first.append(Column("int8", ["", *kinds], False))
    shown = [o.name for o in record.objectives] + list(COSTS)
    measured = {o.name: measured_column(o, record, records) for o in record.measured}
    needed = first + [measured.pop(name) for name in dict.fromkeys(shown)]
    more = [*plan_columns(records, record), *measured.values()]
    show(fitting(title, needed + speed(study, records) + limits(record, records), more))
    rungs = " + ".join(map(str, counts["rungs"]))
    say(
        f"{counts['complete']} plans finished (trials by rung: {rungs or 0}), "
        f"{counts['failed']} failed; {scores_text(study)}, {PLUS_MINUS}"
    )
    for remark in (doubts_text(study), ended_text(study), agreement_words(study.agreements())):
        if remark:
            say(remark)
    if LATENCY in record.names:
        say(latency_text(study, records))
    if quantized:
        say(f"int8: {quantized} of {len(records)} are quantised files; their scores are the files'")
    if set(COSTS) & set(shown):
        say("params and macs: shares of the dense model's, counted without what is zero")


def doubts_text(study: Study) -> str:
    """Which models of the front cannot be told from a cheaper one there."""
    found = study.doubts()
    if not found:
        return ""
    pairs = ", ".join(f"{trial} (from {other})" for trial, other in found.items())
    return f"not told from a cheaper model by their 95 % intervals: {pairs}"


def limits(record: RunRecord, records: Sequence[Record]) -> list[Column]:
    """Which models break the study's constraints, where it has some."""
    goal = record.goal()
    if not goal.constraints:
        return []
    cells = ["" if goal.violation(r.values) <= 0 else "broken" for r in records]
    return [Column("constraints", ["", *cells], False)]


def ended_text(study: Study) -> str:
    """Why a study ended before all its plans were finished, if it did."""
    stop = study.stop()
    return "" if stop is None else f"ended early: {stop.reason}"


def scores_text(study: Study) -> str:
    """Which samples the scores of the front are from."""
    return {
        "held back": f"scores on {study.rescoring.samples} validation samples that no trial saw",
        "searched": "scores on the validation samples of the search, so they flatter",
        "all": "scores on the validation split",
    }[study.scored_on]


def speed(study: Study, records: Sequence[Record]) -> list[Column]:
    """How many times faster than dense each model is, where latency is measured."""
    if LATENCY not in study.record.names:
        return []
    states = [study.latency_of(r) for r in records]
    mixed = len({s["latency_known"] for s in states}) > 1
    cells = []
    for r, state in zip(records, states, strict=True):
        faster = f"{study.dense_ms / r.values[LATENCY]:.2f}"
        predicted = PREDICTED if mixed and state["latency_known"] == "predicted" else ""
        cells.append(" ".join(filter(None, (faster, MARKS[state["against_dense"]], predicted))))
    return [Column("speed-up\nx", ["", *cells])]


def latency_text(study: Study, records: Sequence[Record]) -> str:
    """How the latency of the front is known."""
    states = [study.latency_of(r) for r in records]
    known = Counter(s["latency_known"] for s in states)
    setting = study.record.latency.setting
    on = f"{setting.runtime}, {setting.threads} thread{'s' * (setting.threads > 1)}"
    text = ", ".join(f"{count} {word}" for word, count in known.items())
    more = ""
    if known.keys() > {"predicted"}:
        text = text.replace(" predicted", f" predicted ({PREDICTED})")
    slower = sum(s["against_dense"] == "slower" for s in states)
    unsure = sum(s["against_dense"] == "undecided" for s in states)
    more += f"; {slower} SLOWER than dense" if slower else ""
    more += f"; ~ {unsure} not shown to be faster" if unsure else ""
    if LATENCY in study.record.directions and known.keys() - {"confirmed"}:
        more += f"; measure: hierprune confirm {study.run}"
    return f"latency ({on}, batch {setting.batch}): {text}{more}"


def measured_column(info: ObjectiveInfo, record: RunRecord, records: Sequence[Record]) -> Column:
    """One objective of the dense model and of the front."""
    name, dense = info.name, record.dense
    cells = [
        with_interval(dense.values[name], dense.interval.get(name)),
        *(with_interval(r.values[name], r.interval.get(name)) for r in records),
    ]
    return Column(head_of(info), cells)


def plan_columns(records: Sequence[Record], record: RunRecord) -> list[Column]:
    """What the plans of the front are made of; what is the same in all of them is left out."""
    epochs = [f"{r.plan['recovery']['epochs']:g}" for r in records]
    recipes = [(name, [training(r, name) for r in records]) for name in record.recipes.names]
    words = ("granularity", "allocation", "criterion")
    columns = [
        Column("epochs", ["", *epochs]),
        *(Column(name, ["", *cells], name != "schedule") for name, cells in recipes),
        *(Column(w, ["", *(r.plan[w] for r in records)], False) for w in words),
    ]
    return [c for c in columns if len(set(c.cells[1:])) > 1]


def training(record: Record, name: str) -> str:
    """What was chosen for the training of a trial; nothing where it was not trained."""
    recovery = record.plan["recovery"]
    value = recovery[name] if recovery["epochs"] else ""
    return value if isinstance(value, str) else f"{value:.3g}"


def title_of(record: RunRecord) -> str:
    """The task and its data."""
    return f"{record.task} on {record.data}" if record.data else record.task


def head_of(info: ObjectiveInfo) -> str:
    """Column head of two lines: the name; the unit, and which way is better."""
    arrow = "\u2191" if info.direction == "maximize" else "\u2193"
    return f"{info.name}\n{info.unit} {arrow}".replace("\n ", "\n")


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


def show_audit(found: Audit) -> None:
    """What a run's record holds, and every fault in it."""
    rows = {
        "plans finished": f"{found.plans} of {found.asked}",
        **({"ended early": found.stopped["reason"]} if found.stopped else {}),
        "trials complete": str(found.complete),
        "trials failed": str(found.failed),
        "running": str(found.running),
        "waiting": str(found.waiting),
    }
    columns = [Column("", list(rows), False), Column("found", list(rows.values()))]
    show(table(str(found.run), columns))
    for fault in found.repaired:
        say(f"repaired: {fault.text} ({fault.remedy})")
    for fault in found.found:
        say(f"fault: {fault.text}" + (f" (--repair: {fault.remedy})" if fault.remedy else ""))
    say(f"{len(found.found)} faults" if found.found else "the record is sound")


def show_tree(found: Mapping[str, Any]) -> None:
    """Groups by stage, and what stays out."""
    title = f"{found['params']:,} parameters, {found['macs']:,} multiply-accumulates a sample"
    groups = found["groups"]
    texts = {name: [str(g[name]) for g in groups] for name in ("stage", "kind", "units")}
    columns = [
        Column("stage", texts["stage"], False),
        Column("group", [g["name"] for g in groups], False),
        Column("kind", texts["kind"], False),
        Column("units", texts["units"]),
        Column("parameters", [f"{g['params']:,}" for g in groups]),
        Column("MACs", [f"{g['macs']:,}" for g in groups]),
    ]
    show(table(title, columns))
    say("parameters and MACs: what goes when the whole group goes and all others stay")
    for e in found["excluded"]:
        out.print(f"not pruned: {e['name']}: {e['reason']}", markup=False, soft_wrap=True)


def show_tasks() -> None:
    """The ready-made tasks with the first line of their factory's docstring."""
    from .studies.ready_made import READY_MADE
    from .studies.source import TaskSource

    docs = [TaskSource(name).factory().__doc__ or "" for name in READY_MADE]
    about = [doc.strip().splitlines()[0] for doc in docs]
    show(table("", [Column("task", list(READY_MADE), False), Column("", about, False)]))


def show_doctor() -> None:
    """Versions, cores and caches."""
    import torch

    from .studies.dense import default_cache

    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else 0
    found = {
        "python": sys.version.split()[0],
        **{p: version_of(p) for p in PACKAGES},
        "cores": str(os.cpu_count()),
        "accelerator": str(accelerator or "none"),
        "cache": str(default_cache()),
        "HIERPRUNE_DATA": os.environ.get("HIERPRUNE_DATA", "not set"),
    }
    columns = [Column("what", list(found), False), Column("found", list(found.values()), False)]
    show(table("", columns))


PACKAGES = ("hierprune", "torch", "optuna", "ray", "mlxtend", "onnx", "onnxruntime", "onnxscript")


def version_of(package: str) -> str:
    """Its installed version."""
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
