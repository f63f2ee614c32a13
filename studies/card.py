"""The card of a picked model: what was cut, how good it is, how to load it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .. import __version__
from ..objectives.constraint import Constraint
from ..pruners.plan import Recovery
from ..pruners.recalibrate import tracked
from .chosen import Chosen
from .wording import epochs_text, split_text

BAR = 20
PICTURE = "kept.svg"
PLUS_MINUS = "± to the farther end of the 95 % interval"
INT8 = "model.int8.onnx"
"""What is measured and shipped of a plan with a quantisation."""


def card(picked: Chosen, folder: Path) -> str:
    """Markdown for people."""
    sections = {
        "Why this one": [f"- {reason}" for reason in picked.why],
        "Scores": scores(picked),
        "What was kept": kept(picked),
        "What became of the layers": layers(picked),
        "How to load it": loading(picked, folder),
        "Where it comes from": origin(picked),
    }
    title = f"# {picked.record.task}, pruned: trial {picked.trial}"
    lines = [title, "", f"**{in_short(picked)}**", "", summary(picked), ""]
    for heading, content in sections.items():
        if content:
            lines += [f"## {heading}", "", *content, ""]
    return "\n".join(lines)


def in_short(picked: Chosen) -> str:
    """What was lost and what was won, against the dense model."""
    record, dense = picked.record, picked.record.dense
    qualities = [o.name for o in record.objectives if o.name in dense.guess]
    parts = [
        f"Test {name} {number(picked.dense_test.get(name))} -> {number(picked.test.get(name))}"
        for name in qualities
    ]
    count = round(dense.params * picked.values.get("params", 1.0))
    parts.append(f"{dense.params:,} -> {count:,} parameters")
    for info in record.objectives:
        if info.name in dense.guess or info.name == "params":
            continue
        before, after = dense.values[info.name], picked.values[info.name]
        parts.append(f"{info.name} {number(before)} -> {number(after)} {info.unit}".rstrip())
    return "; ".join(parts) + "."


def verdicts(picked: Chosen) -> list[str]:
    """Whether the constraints that chose this model hold on the test split, in sentences."""
    sides = picked.test, picked.dense_test
    limits = [Constraint.parse(text) for text in picked.where]
    return [verdict(picked, c) for c in limits if all(c.objective in side for side in sides)]


def verdict(picked: Chosen, limit: Constraint) -> str:
    """One constraint on the test split; the dense model's test score is what it refers to."""
    bound, name = limit.bound(picked.dense_test), limit.objective
    holds = limit.holds(picked.test, picked.dense_test)
    found = f"{number(picked.test[name])}, the bound is {number(bound)}"
    low, high = picked.test_interval.get(name, (bound, bound))
    near = "; the bound lies within the score's 95 % interval" if low < bound < high else ""
    word = "holds" if holds else "does NOT hold"
    return f"On the test split {limit} {word}: {name} is {found}{near}."


def summary(picked: Chosen) -> str:
    """The plan in one sentence."""
    record, plan = picked.record, picked.plan
    on = f" on {record.data}" if record.data else ""
    kind = plan.quantization
    int8 = "" if kind == "none" else f", then quantised to int8 ({kind} ranges of activations)"
    return (
        f"{plan.granularity} pruning of {record.task}{on}: {plan.ratio:.1%} of the {plan.budget} "
        f"removed, ranked by {plan.criterion}, {split_text(plan.allocation)}, "
        f"recovered by {recovery_text(picked)}{int8}."
    )


def loading(picked: Chosen, folder: Path) -> list[str]:
    """The code that runs it."""
    source = "" if picked.record.source is not None else ", task=task"
    load = f'model = hierprune.load("{folder.name}"{source})'
    code = ["```python", "import hierprune", load, "outputs = model(inputs)", "```"]
    if picked.file is None:
        return code
    return [f"The int8 model is `{INT8}`, for onnxruntime. What it was made of:", "", *code]


def origin(picked: Chosen) -> list[str]:
    """Data, weights and software."""
    record = picked.record
    licence = f", licence {record.licence}" if record.licence else ""
    data = [f"Data: {record.data}{licence}."] if record.data or licence else []
    software = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    return [
        *data,
        f"Dense weights: SHA-256 {record.dense.sha256[:16]}. Study: begun {record.created}, "
        f"seed {record.seed}, {software}. Card by hierprune {__version__}.",
    ]


def recovery_text(picked: Chosen) -> str:
    """The recovery in words."""
    recovery = picked.plan.recovery
    steps = [
        (recovery.reconstruct, "least-squares reconstruction"),
        (recovery.recalibrate and bool(tracked(picked.model)), "BatchNorm re-estimation"),
        (recovery.refit, "least-squares fit of the output layer"),
        (recovery.epochs > 0, training_text(recovery)),
    ]
    return ", ".join(text for used, text in steps if used) or "nothing"


def training_text(recovery: Recovery) -> str:
    """The training in words."""
    when = "" if recovery.schedule == "oneshot" else f", pruned meanwhile ({recovery.schedule})"
    teacher = f", the dense model's outputs weighing {recovery.distil:.3g}"
    return (
        f"{epochs_text(recovery.epochs)} of fine-tuning at rates up to {recovery.lr:.3g}"
        f"{teacher if recovery.distil else ''}{when}"
    )


def scores(picked: Chosen) -> list[str]:
    """Validation and test scores with their 95 % intervals, beside the dense model's."""
    dense = picked.record.dense
    sides = [
        (dense.values, dense.interval),
        (picked.values, picked.interval),
        (picked.dense_test, picked.dense_test_interval),
        (picked.test, picked.test_interval),
    ]
    units = {o.name: f"{o.name} [{o.unit}]" if o.unit else o.name for o in picked.record.measured}
    rows = [
        [units.get(name, name), *(score(values, spans, name) for values, spans in sides)]
        for name in picked.values
    ]
    head = ["", "dense, validation", "pruned, validation", "dense, test", "pruned, test"]
    remark = f"In brackets: 95 % intervals. {picked.scored}".rstrip()
    said = [line for text in (*verdicts(picked), picked.latency) if text for line in ("", text)]
    return [*table(head, rows), "", remark, *said]


def score(values: Mapping[str, float], spans: Mapping[str, tuple[float, float]], name: str) -> str:
    """A value with its interval."""
    span = f" ({number(spans[name][0])} to {number(spans[name][1])})" if name in spans else ""
    return number(values.get(name)) + span


def number(value: float | None) -> str:
    """Four significant digits; a dash where there is no value.

    >>> number(0.09996), number(1.0), number(1234.56), number(0.0), number(None)
    ('0.09996', '1.000', '1,235', '0', '-')
    """
    if value is None:
        return "-"
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:#.4g}"


def with_interval(value: float | None, span: tuple[float, float] | None) -> str:
    """A value and how far the farther end of its 95 % interval is.

    >>> with_interval(0.9069, (0.9012, 0.9126)), with_interval(2.0, None)
    ('0.9069 ±0.0057', '2.000')
    """
    if value is None or span is None or span == (value, value):
        return number(value)
    return f"{number(value)} ±{max(span[1] - value, value - span[0]):.2g}"


def side_cell(
    values: Mapping[str, float], spans: Mapping[str, tuple[float, float]], name: str
) -> str:
    """A score with its interval; a dash where it was not measured."""
    return with_interval(values[name], spans.get(name)) if name in values else "-"


def kept(picked: Chosen) -> list[str]:
    """Kept share of every group, with a bar, and where to see which."""
    keep: Mapping[str, Sequence[int]] = picked.plan.keep or {}
    rows = []
    for group, density in picked.plan.density.items():
        count = len(keep[group]) if group in keep else None
        units = "" if not count or not density else f"{round(count / density)} -> {count}"
        rows.append([group, units, f"{density:.2%}", bar(density)])
    picture = ["", f"![Units kept, layer by layer]({PICTURE})"] if picked.picture else []
    return [*table(["group", "units", "density", ""], rows), *picture]


def layers(picked: Chosen) -> list[str]:
    """Shape and parameters of every layer before and after, with a bar."""
    rows = [
        [
            change.name,
            shape(change.before),
            shape(change.after) if change.after else "gone",
            f"{math.prod(change.before):,}",
            f"{change.kept:,}",
            bar(change.share),
        ]
        for change in picked.changes
    ]
    if not rows:
        return []
    return table(["layer", "shape", "pruned", "parameters", "not zero", ""], rows)


def shape(sizes: Sequence[int]) -> str:
    """Sizes of a weight.

    >>> shape((20, 1, 5, 5))
    '20 x 1 x 5 x 5'
    """
    return " x ".join(map(str, sizes))


def bar(share: float) -> str:
    """A share in blocks.

    >>> bar(0.25)
    '█████░░░░░░░░░░░░░░░'
    """
    filled = max(1, round(share * BAR)) if share > 0 else 0
    return "█" * filled + "░" * (BAR - filled)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]
