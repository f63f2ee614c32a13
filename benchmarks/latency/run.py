"""Can the latencies be trusted? Every part prints its numbers beside what they should reach.

make bench-latency                      all parts, about twelve minutes on a quiet machine
make bench-latency LATENCY="same half"  some of them
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

import hierprune
from hierprune.cachedir import default_cache
from hierprune.examples.lenet.model import LeNet5
from hierprune.examples.minilm.model import SentenceClassifier
from hierprune.examples.resnet.model import ResNet20
from hierprune.objectives.base import Measurement
from hierprune.objectives.latency import LatencyOptions
from hierprune.objectives.latency_table import shapes_of
from hierprune.objectives.packing import load_state, save_state, stored_bytes
from hierprune.objectives.runtime import Setting
from hierprune.objectives.timing import compare, ratio
from hierprune.pruners.calibration import Calibration
from hierprune.pruners.cost import CostModel
from hierprune.pruners.dense import Dense
from hierprune.pruners.prune import prune, shrink
from hierprune.pruners.tree_cache import find_tree
from hierprune.search.space import SpaceOptions
from hierprune.studies.confirm import NARROW, confirm, confirmed
from hierprune.studies.latency import alone, measure_table, random_widths
from hierprune.studies.progress import Silent
from hierprune.studies.recipe import Journey
from hierprune.studies.study import Study
from hierprune.task import Inputs, Task

IMAGE = torch.zeros(1, 1, 28, 28)
SENTENCE = (torch.arange(40)[None] + 2000, torch.ones(1, 40, dtype=torch.long))
MODELS: dict[str, tuple[Callable[[], nn.Module], Inputs]] = {
    "LeNet-5": (LeNet5, IMAGE),
    "ResNet-20": (ResNet20, IMAGE),
    "MiniLM": (SentenceClassifier, SENTENCE),
}
RUNTIMES = ("onnxruntime", "eager")
SECONDS = {"LeNet-5": 2.0, "ResNet-20": 1.0, "MiniLM": 3.0}  # at most, for a plan's true time


def known(name: str) -> tuple[Dense, Inputs]:
    """A model of random weights, which take the time that trained ones do, with its groups."""
    torch.manual_seed(0)
    build, inputs = MODELS[name]
    model = build().eval()
    return Dense(model, find_tree(model, inputs), Calibration((), None)), inputs


def task_of(inputs: Inputs) -> Task:
    return Task("latency", nn.Identity, [], [(inputs, torch.zeros(1))], [])


def at_widths(dense: Dense, widths: np.ndarray, granularity: str = "channel") -> nn.Module:
    groups = dense.units(granularity)
    keep = {g.name: range(int(w)) for g, w in zip(groups, widths, strict=True)}
    return shrink(dense.model, dense.tree, granularity, keep)


def random_models(dense: Dense, count: int, seed: int) -> Iterator[nn.Module]:
    cost, draw = CostModel.of(dense.tree, "channel"), np.random.default_rng(seed)
    for i in range(count):
        yield at_widths(dense, random_widths(cost, draw, (i + 0.5) / count))


def timed(setting: Setting, model: nn.Module, dense: Dense, x: Inputs, s: float) -> Measurement:
    return ratio(compare(setting, model, dense.model, x, seconds=s, narrow=NARROW))


@contextmanager
def load(busy: bool) -> Iterator[None]:
    """Another process that computes in bursts, or none."""
    other = multiprocessing.get_context("spawn").Process(target=bursts, daemon=True)
    if busy:
        other.start()
        time.sleep(3)
    try:
        yield
    finally:
        if busy:
            other.terminate()
            other.join()


def bursts() -> None:
    torch.set_num_threads(2)
    a, draw = torch.randn(600, 600), np.random.default_rng(0)
    while True:
        until = time.perf_counter() + draw.exponential(0.2)
        while time.perf_counter() < until:
            a @ a
        time.sleep(draw.exponential(0.1))


def say(text: str, ok: bool | None = None) -> None:
    mark = {True: "  reached", False: "  MISSED", None: ""}[ok]
    print(f"{text}{mark}", flush=True)


def same(tries: int) -> None:
    """The same model twice."""
    for name in ("LeNet-5", "ResNet-20"):
        dense, x = known(name)
        for runtime in RUNTIMES:
            found = [timed(Setting(runtime), dense.model, dense, x, 1.0) for _ in range(tries)]
            different = sum(not (f.low or 0) <= 1 <= (f.high or 0) for f in found) / tries
            width = float(np.median([((f.high or 0) - (f.low or 0)) / 2 for f in found]))
            text = f"same model twice, {name}, {runtime}: different in {different:.0%} of {tries}"
            say(f"{text}, half interval {width:.2%} (at most 5 %)", different <= 0.05)


def repeated(count: int) -> None:
    """Two confirmations of the same models, quiet and beside another process."""
    dense, x = known("ResNet-20")
    for runtime in RUNTIMES:
        for busy in (False, True):
            with load(busy):
                models = list(random_models(dense, count, seed=5))
                first, second = (
                    [timed(Setting(runtime), m, dense, x, 1.0) for m in models] for _ in range(2)
                )
            pairs = list(zip(first, second, strict=True))
            overlap = np.mean([a.low <= b.high and b.low <= a.high for a, b in pairs])  # type: ignore[operator]
            beside = "beside a busy process" if busy else "alone"
            text = f"confirmed twice, ResNet-20, {runtime}, {beside}: {overlap:.0%} of {count}"
            say(f"{text} overlap (at least 95 %)", bool(overlap >= 0.95))


def predicted(count: int) -> None:
    """The table's predictions against measured times of models that it has not seen."""
    for name in MODELS:
        dense, x = known(name)
        for runtime in RUNTIMES:
            options = LatencyOptions("predicted", Setting(runtime))
            start = time.perf_counter()
            table = measure_table(options, dense, task_of(x), SpaceOptions(), Silent())
            took, rows = time.perf_counter() - start, len(table.rows)
            pairs = []
            for model in random_models(dense, count, seed=9):
                found = timed(options.setting, model, dense, x, SECONDS[name])
                pairs.append((table.predict(shapes_of(model)).value, found.value))
            guess, truth = np.array(pairs).T
            rho = float(spearmanr(guess, truth).statistic)
            off = float(np.median(np.abs(guess / truth - 1)))
            text = f"predicted, {name}, {runtime}: Spearman {rho:.3f}, median error {off:.1%}"
            more = f"held out {table.error:.1%}, {rows} rows in {took:.0f} s, {count} plans"
            say(f"{text} ({more}; at least 0.95, at most 10 %)", rho >= 0.95 and off <= 0.1)


def half(count: int) -> None:
    """ResNet-20 at half of its multiply-accumulates: what prediction would pick."""
    dense, x = known("ResNet-20")
    options = LatencyOptions("predicted", Setting("onnxruntime"))
    for granularity, align in (("channel", 1), ("channel", 8), ("channel", 16), ("block", 1)):
        space = SpaceOptions((granularity,), align=align)
        table = measure_table(options, dense, task_of(x), space, Silent())
        cost = CostModel.of(dense.tree, granularity)
        models = [at_widths(dense, w, granularity) for w in halves(cost.aligned(align), count)]
        model = min(models, key=lambda m: table.predict(shapes_of(m)).value)
        found = timed(options.setting, model, dense, x, 3.0)
        low, high = 1 / (found.high or 1), 1 / (found.low or 1)
        what = f"{len(models)}, {granularity}, steps of {align}"
        text = f"ResNet-20 at half the MACs, the best predicted of {what}"
        say(f"{text}: {1 / found.value:.2f}x ({low:.2f} to {high:.2f}; 1.6x)", low >= 1.6)


def halves(cost: CostModel, count: int) -> Iterator[np.ndarray]:
    """Random widths of 45 to 50 % of the multiply-accumulates; of blocks all of 40 to 50 %."""
    draw, groups = np.random.default_rng(0), len(cost.names)
    if np.all(cost.widths == 1):
        every = (np.array(kept) for kept in itertools.product((0, 1), repeat=groups))
        yield from (w for w in every if 0.4 <= cost.share(w, "macs") <= 0.5)
        return
    while count:
        shares = np.clip(np.exp(draw.uniform(np.log(0.25), 0.2, groups)), 0, 1)
        widths = cost.snap(np.rint(shares * cost.widths))
        if 0.45 <= cost.share(widths, "macs") <= 0.5:
            count -= 1
            yield widths


class Watch(Silent):
    """Notes when each step of a study began."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, str]] = []

    def note(self, text: str) -> None:
        self.steps.append((time.perf_counter(), text))


def picked(trials: int) -> None:
    """ResNet-20 on Fashion-MNIST at half of its multiply-accumulates, as a user asks for it."""
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder, own_cache(Path(folder) / "cache"):
        start = time.perf_counter()
        study = hierprune.launch(
            "resnet20-fashion",
            Path(folder) / "run",
            trials=trials,
            objectives=("accuracy", "latency"),
            where=("macs <= 0.5",),
            granularity=("channel", "block"),
            runtime="onnxruntime",
            progress=watch,
        )
        end = time.perf_counter()
        took, total = timing_seconds(watch, end), end - start
        text = f"measuring took {took:.1f} s of this study of {total:.0f} s, {trials} plans"
        say(f"{text}: {took / total:.1%} (at most 10 %)", took / total <= 0.1)
        confirm(study, seconds=60, again=True)
        journey = study.journey()
        with alone():
            tell_picked(study, journey, "knee")
            tell_picked(study, journey, "accuracy")
            tell_picked(study, journey, "accuracy", "latency <= dense * 0.61")


def tell_picked(study: Study, journey: Journey, prefer: str, *also: str) -> None:
    """How fast the model is that one preference picks, timed once more, and what it costs."""
    record = study.choose((*study.record.where, *also), prefer)
    dense, found = study.record.dense.values, confirmed(study.record, journey, record, 5.0)
    low, high = 1 / found.high, 1 / found.low
    text = (
        f"picked ResNet-20, {' and '.join(('macs <= 0.5', *also))}, prefer {prefer}: "
        f"{1 / found.ratio:.2f}x ({low:.2f} to {high:.2f}) at {record.values['macs']:.2f} of the "
        f"MACs, {record.plan['granularity']}, accuracy {record.values['accuracy']:.3f} "
        f"(dense {dense['accuracy']:.3f}), widths in multiples of {study.record.space.align}"
    )
    say(f"{text} (at least 1.6x)", low >= 1.6)


def cost(trials: int) -> None:
    """What measuring takes of a study whose architecture was not timed before, and of the next."""
    with tempfile.TemporaryDirectory() as folder, own_cache(Path(folder) / "cache"):
        for nth in ("first", "second"):
            cost_of_one(Path(folder) / nth, nth, trials)


@contextmanager
def own_cache(folder: Path) -> Iterator[None]:
    """A copy of the user's cache in which nothing was timed."""
    known = default_cache()
    if known.is_dir():
        shutil.copytree(known, folder, ignore=shutil.ignore_patterns("times", "*.lock"))
    before = os.environ.get("HIERPRUNE_CACHE")
    os.environ["HIERPRUNE_CACHE"] = str(folder)
    try:
        yield
    finally:
        del os.environ["HIERPRUNE_CACHE"]
        if before is not None:
            os.environ["HIERPRUNE_CACHE"] = before


def cost_of_one(run: Path, nth: str, trials: int) -> None:
    """Start a study and add up the steps that time models."""
    watch, start = Watch(), time.perf_counter()
    hierprune.launch("lenet5-mnist", run, trials=trials, runtime="onnxruntime", progress=watch)
    end = time.perf_counter()
    slower = [r for r in Study.open(run).to_json()["front"] if r["against_dense"] == "slower"]
    took, total = timing_seconds(watch, end), end - start
    text = (
        f"measuring took {took:.1f} s of the {nth} study of {total:.0f} s, LeNet-5, {trials} plans"
    )
    marked = f"{len(slower)} on the front slower than dense, marked"
    say(f"{text}: {took / total:.1%} (at most 10 %); {marked}", took / total <= 0.1)


def timing_seconds(watch: Watch, end: float) -> float:
    """Seconds of the steps that time models."""
    ends = [t for t, _ in watch.steps[1:]] + [end]
    return sum(e - t for (t, text), e in zip(watch.steps, ends, strict=True) if "timing" in text)


def stored(_: int) -> None:
    """LeNet-5 at 5 % of its weights, as stored."""
    torch.manual_seed(0)
    model = LeNet5()
    sparse = prune(model, IMAGE, 0.05, granularity="weight", budget="params").model
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.safetensors"
        save_state(sparse.state_dict(), file)
        times = stored_bytes(model.state_dict(), sparse=False) / file.stat().st_size
        again: dict[str, Tensor] = dict(load_state(file))
    equal = all(torch.equal(v, again[k]) for k, v in sparse.state_dict().items())
    text = f"LeNet-5, 95 % sparse, stored: {times:.1f}x, loads {'equal' if equal else 'OTHER'}"
    say(f"{text} (at least 10x, bit for bit)", equal and times >= 10)


PARTS: dict[str, tuple[Callable[[int], None], int, int]] = {
    "stored": (stored, 1, 1),
    "half": (half, 300, 30),
    "same": (same, 100, 10),
    "repeated": (repeated, 40, 6),
    "predicted": (predicted, 30, 8),
    "cost": (cost, 60, 20),
    "picked": (picked, 60, 12),
}
"""By name: what runs, with how many tries, and with how many in the short form."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=", ".join(PARTS))
    parser.add_argument("--short", action="store_true", help="few tries: does it run at all?")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.parts:
        part, tries, few = PARTS[name]
        start = time.perf_counter()
        if name in ("cost", "picked"):
            part(few if options.short else tries)
        else:
            with alone():
                part(few if options.short else tries)
        print(f"  [{name}: {time.perf_counter() - start:.0f} s]", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
