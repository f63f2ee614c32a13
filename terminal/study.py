"""What a study found, and what is wrong with its record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..live import say
from ..search.history import Record
from ..studies.card import PLUS_MINUS, with_interval
from ..studies.run_record import ObjectiveInfo, RunRecord
from ..studies.study import Study
from ..studies.verify_run import Audit
from ..studies.wording import agreement_words
from .tables import Column, fitting, show, table

LATENCY = "latency"
PREDICTED = "p"
MARKS = {"faster": "", "slower": "SLOWER", "undecided": "~"}
COSTS = ("params", "macs")
"""Shown beside the objectives in every front."""


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
