"""The latency table of a study: which models are timed, where the table is kept, who waits."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from torch import nn

from ..cachedir import default_cache
from ..errors import UsageError
from ..objectives.base import Objective
from ..objectives.latency import (
    Latency,
    LatencyOptions,
    PredictedLatency,
    inputs_of,
)
from ..objectives.latency import dense_ms as time_dense
from ..objectives.latency_table import LatencyTable, Layer, Row, shapes_of, table_of
from ..objectives.timing import compare, half_width, of_blocks
from ..pruners.cost import CostModel, Floats, Ints
from ..pruners.dense import Dense
from ..pruners.pattern import parse
from ..pruners.prune import shrink
from ..pruners.tree import ModelTree
from ..search.space import Forecast, SpaceOptions
from ..task import Task
from ..whole import write_whole
from .prepare import cost_of
from .progress import Progress, Silent
from .timed_before import TimedBefore

TABLE = "latency.json"
ROWS = 32  # at most
FEWEST_ROWS, MORE_ROWS = 8, 2  # of one granularity, and of every other
GOOD = 0.03
"""Median error on rows held out that is good enough to stop. With 8 rows of LeNet-5 and ResNet-20
median errors on new plans were those of 32 within two percent points, in both runtimes."""
LOOK = 2  # rows from one look at these errors to the next
TABLE_SECONDS, SURE_ROWS = 8.0, 16
"""Seconds for the whole table; beyond, only until errors are good or there are so many rows."""
KEPT = 0.05  # error up to which later studies may have a table
ROW_SECONDS, NARROW = 0.1, 0.01  # of one row: time, and the half interval that is enough
ROW_FORWARDS = 60
"""Of the dense model, if they take longer than that time. MiniLM, 23 ms in eager mode, had rows of
seven short blocks else, whose half intervals were 3 to 14 %."""
LOWEST = 0.05  # density of a row's groups, on average
SPREAD = 0.5  # of the groups' log densities around it
DENSE_SECONDS = 0.25
LOCK = "timing.lock"


def cuts(granularities: tuple[str, ...]) -> list[str]:
    """The granularities that change shapes; zeroed weights run as long as any others."""
    return [g for g in granularities if parse(g) is None]


def latency_of(
    options: LatencyOptions,
    dense: Dense,
    task: Task,
    space: SpaceOptions,
    cache: Path,
    *,
    dense_ms: float | None = None,
    progress: Progress | None = None,
) -> Objective:
    """The objective as the options want it, its table from ``cache`` where it is there.

    Raises:
        UsageError: the runtime cannot run the model.
    """
    measured = Latency(options.setting, dense_ms=dense_ms)
    if options.mode == "measured" or not any(dense.units(g) for g in cuts(space.granularities)):
        return measured
    table = cached_table(options, dense, task, space, cache, progress or Silent())
    if dense_ms is None:
        (progress or Silent()).note("timing the dense model")
        with alone():
            inputs = inputs_of(options.setting, task, dense.model)
            dense_ms = time_dense(options.setting, dense.model, inputs, DENSE_SECONDS)
    return PredictedLatency(table, dense_ms)


def cached_table(
    options: LatencyOptions,
    dense: Dense,
    task: Task,
    space: SpaceOptions,
    cache: Path,
    progress: Progress,
) -> LatencyTable:
    """The table of the run, else of an earlier study, else a new one.

    One of another setting or model is not taken.
    """
    file = cache / TABLE
    about = {"setting": options.to_json()["setting"], "dense": dense.sha256}
    try:
        data = json.loads(file.read_text())
        if data["about"] == json.loads(json.dumps(about)):
            return LatencyTable.from_json(data["table"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    table = known_table(options, dense, task, space, progress)
    write_whole(file, json.dumps({"about": about, "table": table.to_json()}))
    return table


def known_table(
    options: LatencyOptions, dense: Dense, task: Task, space: SpaceOptions, progress: Progress
) -> LatencyTable:
    """The table of an earlier study of this architecture on this machine, or a new one."""
    setting = options.setting
    inputs = inputs_of(setting, task, dense.model)
    widths = [list(space.granularities), space.align]
    before = TimedBefore.of("table", setting, dense.model, inputs, widths)
    try:
        table = LatencyTable.from_json(before.read())
    except (KeyError, TypeError, ValueError, AttributeError):
        table = measure_table(options, dense, task, space, progress)
        if table.error <= KEPT:
            before.keep(table.to_json())
        how = "timed models"
    else:
        how = f"models timed before ({before.file})"
    progress.note(
        f"latency is predicted from {len(table.rows)} {how}; median error on those held out "
        f"{table.error:.1%}"
    )
    return table


def measure_table(
    options: LatencyOptions,
    dense: Dense,
    task: Task,
    space: SpaceOptions,
    progress: Progress,
    seconds: float = TABLE_SECONDS,
    rows: int = ROWS,
) -> LatencyTable:
    """Time narrowed models of a space on the runtime, alone on this machine.

    Raises:
        UsageError: too few of them run.
    """
    setting = options.setting
    progress.note(f"timing narrowed models ({setting.runtime}, batch {setting.batch})")
    inputs = inputs_of(setting, task, dense.model)
    layers = [Layer(t.name, t.shape, t.macs) for t in dense.tree.tensors]
    fewest = fewest_rows(dense, space)
    found: list[Row] = []
    failed: list[Exception] = []
    with alone(progress):
        start, pace = time.perf_counter(), 0.0
        for model in narrowed(dense, space, rows):
            enough = max(ROW_SECONDS, ROW_FORWARDS * pace)
            try:
                times = compare(setting, model, dense.model, inputs, seconds=enough, narrow=NARROW)
            except Exception as error:
                failed.append(error)
                continue
            pace = float(np.median(times[:, 1]))
            measured = of_blocks(times)
            found.append(Row(shapes_of(model), measured.value, half_width(measured)))
            progress.share(len(found) / rows)
            if len(found) < fewest:
                continue
            if time.perf_counter() - start > seconds and len(found) >= SURE_ROWS:
                break
            if (len(found) - fewest) % LOOK == 0 and table_of(layers, found).error <= GOOD:
                break
    if len(found) < fewest and failed:
        raise UsageError(
            f"{len(failed)} of {len(failed) + len(found)} narrowed models do not run on "
            f"{setting.runtime}, too many to predict latency from the others; measure it "
            f"(--latency measured), or leave it out of the objectives. The last one: {failed[-1]}"
        ) from failed[-1]
    progress.share(1.0)
    return table_of(layers, found)


def fewest_rows(dense: Dense, space: SpaceOptions) -> int:
    """Rows below which the errors on those held out say little."""
    kinds = sum(bool(dense.units(g)) for g in cuts(space.granularities))
    return FEWEST_ROWS + MORE_ROWS * (kinds - 1)


def narrowed(dense: Dense, space: SpaceOptions, count: int) -> Iterator[nn.Module]:
    """Models at random widths of the space, of each granularity in turn.

    Every prefix covers the densities. They are cut and nothing else: weights do not change the
    time.
    """
    draw = np.random.default_rng(0)
    kinds = [g for g in cuts(space.granularities) if dense.units(g)]
    for i in range(count):
        granularity = kinds[i % len(kinds)]
        widths = random_widths(cost_of(dense.tree, granularity, space), draw, i / count)
        groups = dense.units(granularity)
        keep = {g.name: tuple(range(int(w))) for g, w in zip(groups, widths, strict=True)}
        yield shrink(dense.model, dense.tree, granularity, keep)


def random_widths(cost: CostModel, draw: np.random.Generator, place: float) -> Ints:
    """Widths (G,) around one common density, which golden steps spread over [LOWEST, 1]."""
    at = (0.5 + place * ROWS * (math.sqrt(5) - 1) / 2) % 1
    density = math.exp((1 - at) * math.log(LOWEST))
    bent = density * np.exp(draw.normal(0, SPREAD, len(cost.names)))
    if np.all(cost.widths == 1):  # blocks: there or not
        return (draw.random(len(cost.names)) < density).astype(np.int64)
    return cost.snap(np.rint(np.clip(bent, 0, 1) * cost.widths))


def forecasts(
    objectives: Sequence[Objective], tree: ModelTree, granularity: str, cost: CostModel
) -> dict[str, Forecast]:
    """Latency as a function of the widths, where it is predicted; empty where it is measured."""
    return {
        o.name: partial(foretold, o.table, tree, granularity, cost)
        for o in objectives
        if isinstance(o, PredictedLatency)
    }


def foretold(
    table: LatencyTable, tree: ModelTree, granularity: str, cost: CostModel, widths: Ints
) -> Floats:
    """Predicted time / dense time of widths, (N, G) -> (N,)."""
    index = {tensor.name: i for i, tensor in enumerate(tree.tensors)}
    rows = [index[layer.name] for layer in table.layers]
    sizes = cost.sizes(widths)[:, rows, : table.dense.shape[1]]
    if any(group.size for group in tree.units(granularity)):  # tensors stay whole, or go
        sizes = np.where(sizes.prod(axis=2, keepdims=True) > 0, table.dense, 0.0)
    return table.ratios(sizes)


@contextmanager
def alone(progress: Progress | None = None) -> Iterator[None]:
    """Nobody else times models on this machine meanwhile, as far as hierprune starts it."""
    folder = default_cache()
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, is_singleton=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        (progress or Silent()).note("waiting: another process times models")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
