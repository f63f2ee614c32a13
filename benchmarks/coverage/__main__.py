"""How many architectures can be pruned, exactly, without a word about them.

    python -m hierprune.benchmarks.coverage structures
    python -m hierprune.benchmarks.coverage transformers torchvision timm

Results are kept as lines of a file: a run that was stopped goes on, and models are measured again
when the code has changed. The second line needs an environment with these libraries and with
Torch-Pruning, which is run on the same models at the same ratio (its results are not checked for
being right, only for running and keeping the shape of the outputs).
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from hierprune.task import Inputs

from .measure import OutOfTimeError, Row, cpu_limit, measure
from .rivals import torch_pruning
from .rows import append, code_version, read, table
from .structures import STRUCTURES, TRAPS
from .suites import Build, timm_models, torchvision_models, transformers_models


def structures() -> Mapping[str, Build]:
    """The hand-written structures."""
    return {name: lambda s=s: (s.build(), s.inputs()) for name, s in STRUCTURES.items()}


def traps() -> Mapping[str, Build]:
    """Networks that are easily cut wrongly; what counts is that none is."""
    return {name: lambda t=t: (t.build(), t.inputs(2)) for name, t in TRAPS.items()}


SUITES = {
    "structures": structures,
    "transformers": transformers_models,
    "torchvision": torchvision_models,
    "timm": timm_models,
    "traps": traps,
}


def main() -> None:
    """Measure what is not measured yet, print a line per model and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="+", choices=SUITES)
    parser.add_argument("--only", nargs="*", help="names of models to measure, again if need be")
    parser.add_argument("--limit", type=float, default=180, help="CPU seconds per model")
    parser.add_argument("--rival", action="store_true", help="run Torch-Pruning too")
    parser.add_argument("--rows", type=Path, default=Path("runs/coverage.jsonl"), help="results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    version = code_version()
    wanted = [(s, n) for s in options.suites for n in SUITES[s]()]
    known = read(options.rows)
    for suite, name in wanted:
        missing = (suite, name) not in known or known[suite, name][1] != version
        if name in options.only if options.only else missing:
            row = result(suite, name, options)
            append(options.rows, row, version)
            print(line(row), flush=True)
    known = read(options.rows)
    print(f"\n{table(known[key][0] for key in wanted if key in known)}")
    older = [n for s, n in wanted if (s, n) in known and known[s, n][1] != version]
    if older:
        print(f"\nmeasured on earlier code: {', '.join(older)}")


def result(suite: str, name: str, options: argparse.Namespace) -> Row:
    """One model, measured."""
    torch.manual_seed(0)
    model, inputs = SUITES[suite]()[name]()
    model.eval()
    row = measure(suite, name, model, inputs, options.limit)
    return replace(row, rival=compare(model, inputs, 15)) if options.rival else row


def line(row: Row) -> str:
    """A row to read while it runs."""
    return (
        f"{row.suite:12s} {row.name:32s} {row.params / 1e6:5.1f}M removed {row.removed:4.2f} "
        f"groups {row.groups:3d} given up {row.given_up:2d} {row.seconds:6.1f} s "
        f"rival {row.rival:22s} {'' if row.passes else row.fault or row.reason}"
    )


def compare(model: nn.Module, inputs: Inputs, limit: float) -> str:
    """What Torch-Pruning makes of the same model within ``limit`` CPU seconds."""
    try:
        with cpu_limit(limit):
            return torch_pruning(model, inputs, 0.5)
    except OutOfTimeError:
        return "out of time"


if __name__ == "__main__":
    main()
