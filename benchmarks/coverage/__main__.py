"""How many architectures can be pruned, exactly, without a word about them.

    python -m hierprune.benchmarks.coverage structures
    python -m hierprune.benchmarks.coverage transformers torchvision timm

The second line needs an environment with these libraries and with Torch-Pruning, which is run on
the same models at the same ratio (its results are not checked for being right, only for running
and keeping the shape of the outputs).
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping

import torch
from torch import nn

from hierprune.task import Inputs

from .measure import OutOfTimeError, cpu_limit, measure
from .rivals import torch_pruning
from .structures import STRUCTURES
from .suites import Build, timm_models, torchvision_models, transformers_models


def structures() -> Mapping[str, Build]:
    """The hand-written structures."""
    return {name: lambda s=s: (s.build(), s.inputs()) for name, s in STRUCTURES.items()}


SUITES = {
    "structures": structures,
    "transformers": transformers_models,
    "torchvision": torchvision_models,
    "timm": timm_models,
}


def main() -> None:
    """Print one table per suite."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="+", choices=SUITES)
    parser.add_argument("--only", nargs="*", help="names of models")
    parser.add_argument("--limit", type=float, default=120, help="CPU seconds per model")
    parser.add_argument("--rival", action="store_true", help="run Torch-Pruning too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for suite in options.suites:
        models = SUITES[suite]()
        print_suite(suite, {n: models[n] for n in options.only or models}, options)


def print_suite(suite: str, models: Mapping[str, Build], options: argparse.Namespace) -> None:
    """Print one line per model, then how many pass."""
    print(f"\n{suite}\n{'model':32s} params removed groups given-up seconds  torch-pruning")
    passed = 0
    for name, build in models.items():
        torch.manual_seed(0)
        model, inputs = build()
        model.eval()
        row = measure(name, model, inputs, options.limit)
        rival = compare(model, inputs, options.limit / 4) if options.rival else "-"
        passed += row.passes
        print(
            f"{name:32s} {row.params / 1e6:5.1f}M {row.removed:7.2f} {row.groups:6d} "
            f"{row.given_up:8d} {row.seconds:7.1f}  {rival:22s} {'' if row.passes else row.fault}",
            flush=True,
        )
    print(f"{passed} of {len(models)} pruned by 30 % of their parameters or more, all exact")


def compare(model: nn.Module, inputs: Inputs, limit: float) -> str:
    """What Torch-Pruning makes of the same model within ``limit`` CPU seconds."""
    try:
        with cpu_limit(limit):
            return torch_pruning(model, inputs, 0.5)
    except OutOfTimeError:
        return "out of time"


if __name__ == "__main__":
    main()
