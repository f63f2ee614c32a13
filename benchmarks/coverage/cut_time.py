"""What one trial's cut of ResNet-50 costs, beside ``copy.deepcopy`` of the model.

    python -m hierprune.benchmarks.coverage.cut_time [--rounds 40]

Both run in turn, in CPU time; printed are the median ratio and its 10 % and 90 % quantile.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch

from hierprune.pruners.oracle import draw
from hierprune.pruners.surgery import cut
from hierprune.pruners.trace import build_tree


def cpu_seconds(call: Callable[[], object]) -> float:
    """CPU time of one call."""
    start = time.process_time()
    made = call()
    seconds = time.process_time() - start
    del made
    return seconds


def main() -> None:
    """Print one line per share of units that goes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    from torchvision.models import resnet50

    torch.set_num_threads(1)
    model = resnet50(weights=None).eval()
    tree = build_tree(model, torch.randn(1, 3, 64, 64), verify=False)
    generator = torch.Generator().manual_seed(0)
    for gone in (0.1, 0.3, 0.5, 0.75):
        keep = {g.name: draw(g, 1 - gone, generator) for g in tree.groups}
        ratios = []
        for _ in range(rounds):
            whole = cpu_seconds(lambda: copy.deepcopy(model))
            ratios.append(cpu_seconds(lambda keep=keep: cut(model, tree, keep)) / whole)
        tenths = statistics.quantiles(ratios, n=10)
        print(f"{gone:.0%} removed: {tenths[4]:.2f} ({tenths[0]:.2f} to {tenths[8]:.2f})")


if __name__ == "__main__":
    main()
