"""What a model runs on when its time is taken: torch as it is, compiled, onnxruntime, elsewhere.

A model is prepared for a runtime once (exported, say), then opened as often as one likes; every
call of what is opened runs one forward and answers the seconds it took.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn

from ..copies import copy_model
from ..errors import UsageError, unknown
from ..task import Inputs, Task, forward, head
from . import onnx_file, remote
from .onnx_model import OnnxModel

FINE_THREAD_CLOCK = sys.platform != "win32"  # there it ticks every 16 ms
Sample = Callable[[], float]
"""Runs one forward and gives the seconds it took."""
Opener = Callable[[], Sample]
"""Makes a prepared model ready to run."""


@dataclass(frozen=True)
class Setting:
    """Where and how the forward runs whose time is the latency.

    Attributes:
        runtime: one of :data:`RUNTIMES`.
        threads: of the forward, of the operators of eager, compile and onnxruntime.
        batch: samples per forward; fewer where the first batch of val holds fewer.
        shape: of one sample of normal noise, for models of one tensor; None takes the head of val.
        command: of the runtime ``remote``; see :mod:`.remote`.
        command_timeout: seconds that one call of it may take.
    """

    runtime: str = "eager"
    threads: int = 1
    batch: int = 1
    shape: tuple[int, ...] | None = None
    command: str = ""
    command_timeout: float = remote.LIMIT

    def __post_init__(self) -> None:
        """Check names and ranges."""
        if self.runtime not in RUNTIMES:
            raise unknown("runtime", self.runtime, RUNTIMES)
        if min(self.threads, self.batch, *(self.shape or ())) < 1:
            raise UsageError(f"threads, batch and the sizes of a shape must be 1 or more: {self}")
        if not 0 < self.command_timeout < math.inf:
            raise UsageError(f"command_timeout must be positive, got {self.command_timeout} s")
        if (self.runtime == "remote") != bool(self.command):
            raise UsageError("the runtime 'remote' and a command to measure with go together")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Setting:
        """The setting whose fields, as plain data, these are."""
        shape = data["shape"]
        return cls(**{**data, "shape": None if shape is None else tuple(shape)})

    def check_here(self) -> None:
        """See that this machine has what the runtime needs; a record is read without it.

        Raises:
            UsageError: a package or the command's program is missing.
        """
        if self.command:
            remote.check(self.command)
        package = RUNTIMES[self.runtime].package
        if package and importlib.util.find_spec(package) is None:
            raise UsageError(
                f"the runtime {self.runtime!r} needs {package}, not installed here: "
                f'pip install "hierprune[onnx]"'
            )

    def inputs(self, task: Task) -> Inputs:
        """The inputs of one forward."""
        if self.shape is not None:
            generator = torch.Generator().manual_seed(0)
            return torch.randn(self.batch, *self.shape, generator=generator)
        return head(next(iter(task.batches("val")))[0], self.batch)

    def prepare(self, model: nn.Module, inputs: Inputs) -> Opener:
        """The model made ready for this runtime, in whatever mode it is now.

        Raises:
            UsageError: the runtime cannot run it, or is not here.
        """
        self.check_here()
        return RUNTIMES[self.runtime].prepare(model, inputs, self)

    @property
    def takes_files(self) -> bool:
        """Whether a model must be written as a file first, which may fail."""
        return bool(RUNTIMES[self.runtime].package)

    @property
    def cheap(self) -> bool:
        """Whether opening takes no longer than some forwards."""
        return RUNTIMES[self.runtime].cheap


@dataclass(frozen=True)
class Runtime:
    """One kind of runtime.

    Attributes:
        prepare: makes a model ready to be opened.
        package: that it needs beyond hierprune's own; ``""`` for none.
        cheap: whether opening takes no longer than some forwards.
    """

    prepare: Callable[[nn.Module, Inputs, Setting], Opener]
    package: str = ""
    cheap: bool = True


def timed(run: Callable[[], object], device: torch.device, threads: int) -> Sample:
    """The time of ``run``: on a GPU between two events, else by the clock.

    It runs once before, as in a loop of forwards: after another model a small MiniLM took a quarter
    longer, and how often that was the case changed with the number of rounds.

    On one thread of a CPU the clock is the thread's own, which stands still while another process
    has the core: a forward of 10 ms took 25 to 45 ms by the wall beside three busy processes.
    """
    if device.type != "cuda":
        own = threads == 1 and device.type == "cpu" and FINE_THREAD_CLOCK
        clock = time.thread_time if own else time.perf_counter

        def by_clock() -> float:
            run()
            start = clock()
            run()
            if device.type != "cpu":
                torch.accelerator.synchronize()
            return clock() - start

        return by_clock

    def between_events() -> float:
        run()
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / 1000

    return between_events


def device_of(model: nn.Module) -> torch.device:
    """Where the model's parameters are."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def eager(model: nn.Module, inputs: Inputs, setting: Setting) -> Opener:
    """Torch as it is; every opening gives the weights another place in memory.

    Two copies take turns, as the same model may be open twice; copying modules is slow.
    """
    copies = itertools.cycle([copy_model(model), copy_model(model)])

    def opened() -> Sample:
        own = next(copies)
        for tensor in (*own.parameters(), *own.buffers()):
            tensor.data = tensor.data.clone()
        return timed(lambda: forward(own, inputs), device_of(own), setting.threads)

    return opened


def compiled(model: nn.Module, inputs: Inputs, setting: Setting) -> Opener:
    """``torch.compile`` at fixed shapes; what it cannot follow runs as it is."""

    def opened() -> Sample:
        fast = cast(nn.Module, torch.compile(model, dynamic=False))
        forward(fast, inputs)
        return timed(lambda: forward(fast, inputs), device_of(model), setting.threads)

    return opened


def onnxruntime(model: nn.Module, inputs: Inputs, setting: Setting) -> Opener:
    """ONNX in a session of onnxruntime on the CPU; a model that is such a file runs as it is."""
    if isinstance(model, OnnxModel):
        run = model.runs
        return lambda: timed(run(inputs, setting.threads), torch.device("cpu"), setting.threads)
    content = onnx_file.exported(model, inputs)
    onnx_file.check(model, content, inputs)

    def opened() -> Sample:
        run = onnx_file.session(content, inputs, setting.threads)
        return timed(run, torch.device("cpu"), setting.threads)

    return opened


def elsewhere(model: nn.Module, inputs: Inputs, setting: Setting) -> Opener:
    """ONNX, measured by a command."""
    content = onnx_file.exported(model, inputs)
    return lambda: remote.sampler(setting.command, content, setting.command_timeout)


RUNTIMES: Mapping[str, Runtime] = {
    "eager": Runtime(eager),
    "compile": Runtime(compiled, cheap=False),
    "onnxruntime": Runtime(onnxruntime, "onnxruntime"),
    "remote": Runtime(elsewhere, "onnx", cheap=False),
}
"""What a model can be timed on, by name."""
