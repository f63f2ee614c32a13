"""Synthetic studies through the real storage, and a headless browser to look at their reports."""

from __future__ import annotations

import base64
import itertools
import json
import math
import os
import random
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState

from hierprune.objectives.packing import save_state
from hierprune.pruners.plan import PruningPlan, Recovery
from hierprune.pruners.tree import Excluded, Group, ModelTree
from hierprune.search.space import SpaceOptions
from hierprune.studies.book import Book
from hierprune.studies.prepare import profile_file
from hierprune.studies.run_record import DenseInfo, ObjectiveInfo, RunRecord
from hierprune.studies.storage import JOURNAL
from hierprune.studies.study import Study

INFOS = {
    "accuracy": ObjectiveInfo("accuracy", "", "maximize"),
    "latency": ObjectiveInfo("latency", "ms", "minimize"),
    "compression": ObjectiveInfo("compression", "x", "maximize"),
    "loss": ObjectiveInfo("loss", "", "minimize"),
    "params": ObjectiveInfo("params", "", "minimize"),
    "macs": ObjectiveInfo("macs", "", "minimize"),
}
DENSE = {
    "accuracy": 0.984,
    "latency": 2.4,
    "compression": 1.0,
    "loss": 0.05,
    "params": 1.0,
    "macs": 1.0,
}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
ALLOCATIONS = ("uniform", "global", "shared", "lamp")
START = datetime(2026, 3, 1, 9, 0, 0)


@dataclass(frozen=True)
class Toy:
    """What a synthetic study looks like."""

    trials: int = 40
    failures: int = 3
    groups: int = 6
    objectives: tuple[str, ...] = ("accuracy", "latency", "compression")
    where: tuple[str, ...] = ("accuracy >= dense - 0.01",)
    name: str = "toy-task"
    data: str = "toy data"
    errors: tuple[str, ...] = field(
        default=(
            'Traceback (most recent call last):\n  File "task.py", line 3\nValueError: <b>no</b>',
            "Traceback (most recent call last):\nRuntimeError: out of memory",
        )
    )


class ListJournal(BaseJournalBackend):
    """A journal in memory, written to its file once at the end."""

    def __init__(self) -> None:
        self.logs: list[dict[str, Any]] = []

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        return itertools.islice(iter(self.logs[log_number_from:]), None)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.logs.extend(json.loads(json.dumps(logs)))


def group_names(count: int) -> list[str]:
    return [f"stage{i // 4 + 1}.{i % 4}.conv" for i in range(count)]


def run_record(toy: Toy) -> RunRecord:
    return RunRecord(
        task=toy.name,
        data=toy.data,
        source=None,
        objectives=tuple(INFOS[n] for n in toy.objectives),
        measured=tuple(INFOS.values()),
        where=toy.where,
        space=SpaceOptions(),
        recovery=Recovery(),
        strategy="tpe",
        n_trials=toy.trials,
        max_epochs=0.0,
        seed=1,
        storage=None,
        dense=DenseInfo(
            "ab" * 32,
            "cd" * 32,
            DENSE,
            {"accuracy": (0.979, 0.989)},
            {"accuracy": 0.1, "loss": 2.3},
            61706,
            416520,
        ),
        versions={"hierprune": "0.1.0", "torch": "2.13.0"},
        created="2026-03-01T09:00:00+00:00",
    )


def measured_values(rng: random.Random, ratio: float) -> dict[str, float]:
    """A model whose quality falls with the ratio, the later the luckier its plan."""
    luck = rng.betavariate(2, 3)
    kept = 1 - ratio
    accuracy = 0.1 + 0.886 * (1 - math.exp(-(2 + 20 * luck) * kept))
    return {
        "accuracy": accuracy,
        "latency": 2.4 * (0.25 + 0.75 * kept ** (0.6 + rng.random())),
        "compression": 1 / (kept * rng.uniform(0.9, 1.1) + 0.01),
        "loss": -math.log(max(accuracy - 0.02, 0.01)),
        "params": kept,
        "macs": kept ** rng.uniform(0.7, 1.2),
    }


def plan_of(rng: random.Random, toy: Toy, ratio: float) -> PruningPlan:
    density = {g: min(1.0, max(0.02, rng.gauss(1 - ratio, 0.2))) for g in group_names(toy.groups)}
    allocation = rng.choice(ALLOCATIONS)
    return PruningPlan("channel", "activation", allocation, ratio, "params", density)


def frozen(toy: Toy, number: int, rng: random.Random, error: str = "") -> FrozenTrial:
    """One finished trial with everything the ledger leaves on it."""
    ratio = rng.uniform(0.1, 0.97)
    values = {} if error else measured_values(rng, ratio)
    outcome = {
        "values": values,
        "interval": {}
        if error
        else {
            "accuracy": [values["accuracy"] - 0.004, values["accuracy"] + 0.004],
            "latency": [values["latency"] * 0.97, values["latency"] * 1.03],
        },
        "seconds": {} if error else {"cut": 0.2, "recover": 2.0, "measure": 0.8},
        "kind": "exception" if error else "",
        "error": error,
    }
    plan = plan_of(rng, toy, ratio)
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=TrialState.FAIL if error else TrialState.COMPLETE,
        value=None,
        values=None if error else [values[n] for n in toy.objectives],
        datetime_start=START + timedelta(seconds=2 * number),
        datetime_complete=START + timedelta(seconds=2 * number + 3),
        params={"channel.density": 1 - ratio, "channel.allocation": plan.allocation},
        distributions={
            "channel.density": FloatDistribution(0.01, 1.0),
            "channel.allocation": CategoricalDistribution(ALLOCATIONS),
        },
        user_attrs={
            "plan": plan.to_json(),
            "rung": 0,
            "parent": None,
            "attempt": 1,
            "owner": "a",
            "sampler": {},
            "outcome": outcome,
        },
        system_attrs={},
        intermediate_values={},
    )


def trials_of(toy: Toy) -> Iterator[FrozenTrial]:
    rng = random.Random(0)
    total = toy.trials + toy.failures
    errors = itertools.cycle(toy.errors)
    failing = set(random.Random(1).sample(range(total), toy.failures))
    for number in range(total):
        error = next(errors) if number in failing else ""
        yield frozen(toy, number, rng, error)


def write_study(run: Path, toy: Toy) -> Study:
    """The study of a toy, in a run folder made for it."""
    run.mkdir(parents=True)
    record = run_record(toy)
    record.save(run)
    journal = ListJournal()
    book = Book(JournalStorage(journal), "hierprune", record.directions)
    for trial in trials_of(toy):
        book.add(trial)
    lines = (json.dumps(log, separators=(",", ":")) + "\n" for log in journal.logs)
    (run / JOURNAL).write_text("".join(lines))
    return Study.open(run)


def write_tree(run: Path, toy: Toy) -> None:
    """Tree and sensitivities beside the study, as the preparation of a launch caches them."""
    names = group_names(toy.groups)
    tree = ModelTree(
        groups=tuple(Group(n, n.split(".")[0], "channel", (), 16) for n in names),
        weights=(),
        tensors=(),
        excluded=(
            Excluded("head.fc", "makes the outputs"),
            Excluded("gate", "a product of <two> activations"),
        ),
    )
    (run / "cache").mkdir(exist_ok=True)
    (run / "cache" / "tree.json").write_text(json.dumps(tree.to_json()))
    levels = torch.tensor([1.0, 0.5, 0.1], dtype=torch.float64)
    rise = torch.arange(len(names)).double()[:, None] * (1 - levels)
    file = profile_file(run / "cache", "channel", "activation")
    save_state({"densities": levels, "rise": rise}, file)


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., Study]:
    """``make_study(**options)``: a study of :class:`Toy` with its tree in a new run folder."""

    def make(name: str = "run", **options: Any) -> Study:
        toy = Toy(**options)
        study = write_study(tmp_path / name, toy)
        write_tree(study.run, toy)
        return study

    return make


class Browser:
    """Headless Chromium on the DevTools pipe: NUL-ended JSON, requests out and replies in."""

    def __init__(self, profile: Path) -> None:
        to_read, self._out = os.pipe()
        self._in, to_write = os.pipe()
        os.set_blocking(self._in, False)
        self._process = subprocess.Popen(
            [
                "bash",
                "-c",
                f'exec "$0" "$@" 3<&{to_read} 4>&{to_write}',
                CHROMIUM or "",
                *FLAGS,
                f"--user-data-dir={profile}",
                "about:blank",
            ],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._buffer = b""
        self._count = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        pages = self.send("Target.getTargets")["targetInfos"]
        target = next(t["targetId"] for t in pages if t["type"] == "page")
        attach = {"targetId": target, "flatten": True}
        self._session = self.send("Target.attachToTarget", **attach)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            reply = self._receive()
            if reply.get("id") == self._count:
                assert "error" not in reply, f"{method}: {reply['error']}"
                result: dict[str, Any] = reply["result"]
                return result
            self.events.append(reply)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], 60)
            assert ready, "the browser did not answer within 60 s"
            data = os.read(self._in, 1 << 20)
            assert data, "the browser is gone"
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def open(self, page: Path, width: int = 1400, height: int = 900, scheme: str = "light") -> None:
        self.events.clear()
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.send("Emulation.setEmulatedMedia", features=[feature])
        self.send("Page.navigate", url=page.as_uri())
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        options = {"expression": script, "awaitPromise": True, "returnByValue": True}
        result = self.send("Runtime.evaluate", **options)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, condition: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < end, f"never came true: {condition}"
            time.sleep(0.05)

    def mouse(self, kind: str, x: float, y: float, **options: Any) -> None:
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **options)

    def errors(self) -> list[str]:
        """What the console and the page complained about since it was opened."""
        self.run("0")
        found = []
        for event in self.events:
            params = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"]))
            elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
                found.append(params["entry"]["text"])
            elif event.get("method") == "Runtime.consoleAPICalled" and params["type"] == "error":
                found.append(str(params["args"]))
        return found

    def requests(self) -> list[str]:
        """Addresses the page asked for, itself and inline data left out."""
        self.run("0")
        sent = [e for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        urls = [e["params"]["request"]["url"] for e in sent]
        return [u for u in urls if not u.startswith(("file:", "data:", "blob:"))]

    def screenshot(self, path: Path, *, full: bool = True) -> None:
        options = {"format": "png", "captureBeyondViewport": full}
        if full:
            height = self.run("document.documentElement.scrollHeight")
            width = self.run("innerWidth")
            options["clip"] = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        data = self.send("Page.captureScreenshot", **options)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)
        os.close(self._in)
        os.close(self._out)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for the tests of a module."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()
