"""The system's own time per trial: everything but pruning, training and measuring.

Runs a real study of LeNet-5 on random data in one worker process and prints, over all trials but
the first (whose time holds the worker's start): wall time per trial, model work in it, the rest.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from hierprune import Task, launch
from hierprune.examples.lenet.model import LeNet5


def random_task() -> Task:
    torch.manual_seed(0)
    batches = [(torch.randn(64, 1, 28, 28), torch.randint(10, (64,))) for _ in range(2)]
    model = LeNet5()
    return Task("random", lambda: model, batches, batches, batches)


def main(trials: int = 200) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        study = launch(random_task(), Path(folder) / "run", trials=trials, workers=1)
        frozen = study.frozen()
        work = sum(sum(t.user_attrs["outcome"]["seconds"].values()) for t in frozen[1:])
        wall = (frozen[-1].datetime_complete - frozen[0].datetime_complete).total_seconds()
    n = len(frozen) - 1
    print(f"{n} trials: {wall / n * 1e3:.1f} ms each, of which model work {work / n * 1e3:.1f} ms")
    print(f"the system itself: {(wall - work) / n * 1e3:.1f} ms per trial")


if __name__ == "__main__":
    main()
