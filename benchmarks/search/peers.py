"""NVIDIA ModelOpt FastNAS and Torch-Pruning beside the default, on one residual network.

    python -m hierprune.benchmarks.search.peers [--seeds 0 1 2] [--epochs 1] [--out FOLDER]

In an environment of its own, with ``nvidia-modelopt==0.47.0``, ``torchprofile==0.0.4`` and
``torch-pruning==1.6.1`` beside this project. ResNet-20 on Fashion-MNIST; budgets are shares of the
dense multiply-accumulates of convolutions and linear layers, counted alike on every model.

- All score models on the same 1,000 validation samples, and may score as many: FastNAS tries every
  width of every layer alone, which sets the number; Torch-Pruning cuts by a global ranking, in up
  to as many ways (importance, largest ratio of a layer, by kind of layer), of which the best at
  each budget counts; the default shares them among a study per budget, less the models scored for
  its one-layer sensitivities, once for all budgets and on training samples.
- BatchNorm is re-estimated on the same 512 training samples, for all.
- The same fine-tuning for all, with the dense model as teacher, in bfloat16. The others have one
  model each; of the default's evaluations four per budget are trained plans, in the order of
  promotion, and the one of the least loss on the samples of the search counts. What the first of
  them alone came to is printed too.
- Printed is accuracy on the other 4,000 validation samples, before and after.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import io
import itertools
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import optuna
import torch
from optuna.trial import FrozenTrial
from torch import nn

from hierprune.data.rows import Rows
from hierprune.objectives.base import measure_quality
from hierprune.objectives.constraint import Constraint
from hierprune.pruners.calibration import Calibration
from hierprune.pruners.distil import Distillation
from hierprune.pruners.precision import forward_in
from hierprune.pruners.profile import LEVELS
from hierprune.pruners.prune import apply_plan
from hierprune.pruners.recalibrate import recalibrate
from hierprune.pruners.training import train
from hierprune.search.front import Axis
from hierprune.search.goal import Goal
from hierprune.search.history import read
from hierprune.search.promotion import Promoter
from hierprune.search.rungs import Finished, Rungs, ranked
from hierprune.studies.rescore import SAMPLES, sequential_form
from hierprune.studies.source import TaskSource
from hierprune.task import Task

from .contest import ENTRIES, play, rows, told
from .tasks import SETTINGS, Arena, arena

NAME = "resnet-channel"
BUDGETS = (0.75, 0.5, 0.25)
DIVISOR = 4
"""FastNAS tries widths that are multiples of it; its own default, 32, would leave nothing here."""
TRAINED = 4
"""Of the default's evaluations per budget, those that are of trained plans."""
STEPS = 100
"""Of Torch-Pruning's global ranking, from nothing to everything."""
GUESSING = math.log(10)
"""Loss of even odds for every class."""
Found = Mapping[float, nn.Module]
"""A model by budget."""
Candidates = Mapping[float, Sequence[nn.Module]]
"""Models by budget; the first is handed over where nothing is trained."""


@dataclass
class Scorer:
    """Accuracy on the samples of the search; counts how often it was asked.

    Attributes:
        task: whose validation samples.
        count: of models that were scored.
    """

    task: Task
    count: int = 0

    def __call__(self, model: nn.Module) -> float:
        """Accuracy of a model, in [0, 1]."""
        self.count += 1
        return measure_quality(model, self.task, "val")["accuracy"].value


def macs(model: nn.Module, task: Task) -> int:
    """Multiply-accumulates of one sample's convolutions and linear layers."""
    total = 0

    def count(layer: nn.Module, _: Any, out: torch.Tensor) -> None:
        nonlocal total
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        total += weight.numel() * (out[0, 0].numel() if out.dim() == 4 else 1)

    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        model.eval()(task.example())
    for hook in hooks:
        hook.remove()
    return total


def fastnas(ready: Arena, score: Scorer) -> Found:
    """ModelOpt's search, once for all budgets: its table of single layers is kept between them."""
    prune = importlib.import_module("modelopt.torch.prune")
    ratios = tuple(i / 20 for i in range(1, 21))
    settings = {
        "nn.Conv2d": {"*": {"channels_ratio": ratios, "channel_divisor": DIVISOR}},
        "nn.BatchNorm2d": {"*": {}},
        "nn.Linear": {"*": {"features_ratio": ratios, "feature_divisor": DIVISOR}},
    }
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for budget in BUDGETS:
            found[budget], _ = prune.prune(
                copy.deepcopy(ready.dense.model),
                mode=[("fastnas", settings)],
                constraints={"flops": f"{100 * budget:g}%"},
                dummy_input=ready.task.example(),
                config={
                    "score_func": score,
                    "data_loader": list(ready.dense.calibration.batches),
                    "collect_func": lambda batch: batch[0],
                    "checkpoint": f"{folder}/table.pth",
                },
            )
    for model in found.values():
        recalibrate(model, ready.dense.calibration)
    return found


def rankings() -> Iterator[tuple[Callable[[], Any], float, bool]]:
    """Ways of ranking in Torch-Pruning: importance, largest ratio of a layer, by kind of layer."""
    of = importlib.import_module("torch_pruning").importance
    importances = [
        *(lambda p=p: of.GroupMagnitudeImportance(p=p) for p in (1, 2)),
        lambda: of.GroupTaylorImportance(),
        *(lambda n=n: of.GroupMagnitudeImportance(p=2, normalizer=n) for n in ("max", "gaussian")),
        lambda: of.BNScaleImportance(),
        lambda: of.LAMPImportance(),
    ]
    yield from itertools.product(importances, (0.95, 0.85, 0.75), (False, True))


def swept(ready: Arena, score: Scorer, evaluations: int) -> Found:
    """Torch-Pruning's best model at every budget, of as many as may be scored."""
    best: dict[float, tuple[float, nn.Module]] = {}
    ways = list(rankings())
    count = min(len(ways), evaluations)
    for importance, largest, isomorphic in (ways[i * len(ways) // count] for i in range(count)):
        for budget, model in thinned(ready, importance(), largest, isomorphic).items():
            recalibrate(model, ready.dense.calibration)
            value = score(model)
            if value > best.get(budget, (-1.0, model))[0]:
                best[budget] = (value, model)
    return {budget: model for budget, (_, model) in best.items()}


def thinned(ready: Arena, importance: Any, largest: float, isomorphic: bool) -> Found:
    """Copies of the model on its way through one global ranking, as it meets each budget."""
    pruning = importlib.import_module("torch_pruning")
    model = copy.deepcopy(ready.dense.model)
    with_gradients(model, ready)
    pruner = pruning.pruner.BasePruner(
        model,
        ready.task.example(),
        importance=importance,
        global_pruning=True,
        isomorphic=isomorphic,
        pruning_ratio=largest,
        max_pruning_ratio=largest,
        iterative_steps=STEPS,
        ignored_layers=[model.fc],
        in_channel_groups={},
        out_channel_groups={},
        num_heads={},
    )
    dense, found = macs(ready.dense.model, ready.task), {}
    for _ in range(STEPS):
        share = macs(model, ready.task) / dense
        found |= {b: plain(model) for b in BUDGETS if share <= b and b not in found}
        if len(found) == len(BUDGETS):
            break
        pruner.step()
    return found


def with_gradients(model: nn.Module, ready: Arena) -> None:
    """Leave gradients of the calibration loss on the parameters, for Taylor's ranking."""
    loss = ready.dense.calibration.loss
    assert loss is not None
    for inputs, targets in ready.dense.calibration.batches:
        loss(model(inputs), targets).backward()


def plain(model: nn.Module) -> nn.Module:
    """A copy without gradients."""
    made = copy.deepcopy(model)
    made.zero_grad(set_to_none=True)
    return made


def ours(ready: Arena, seed: int, evaluations: int, folder: Path) -> Candidates:
    """Of a study per budget: its best model, and the models of the plans that it would train.

    The studies share the evaluations; their only objective is the loss, the budget a constraint.
    The first model is in the better of its two reconstructions, as a study hands it over, the
    others as a rung of training starts from them.
    """
    left, found = evaluations - len(ready.cost.names) * (len(LEVELS) - 1), {}
    count = left // len(BUDGETS) - TRAINED
    loss = Axis("loss", "minimize", ready.goal.dense["loss"], GUESSING)
    for budget in BUDGETS:
        bound = Constraint.parse(f"macs <= {budget:g}")
        goal = replace(ready.goal, axes=(loss,), constraints=(bound,))
        asked = replace(ready, goal=goal)
        entry = replace(ENTRIES["with-sensitivities"], trials=count)
        file = folder / f"default-{budget:g}-{seed}.jsonl"
        play(asked, entry, seed, file, count)
        space = asked.space(entry.kind, entry.sensitivities)
        trials = [told(space, i, row) for i, row in enumerate(rows(file))]
        best = ranked([Finished(t.number, read(t).values) for t in trials], goal)[0]
        up = [space.plan(t.params) for t in promoted(goal, trials)]
        first = finished(ready, space.plan(trials[best].params))
        found[budget] = [first, *(apply_plan(ready.dense, plan)[0] for plan in up)]
    return found


def promoted(goal: Goal, trials: Sequence[FrozenTrial]) -> Iterator[FrozenTrial]:
    """The trials whose plans a study trains."""
    promoter, up = Promoter(goal, Rungs(1.0, len(trials))), set[int | None]()
    for _ in range(TRAINED):
        chosen = promoter.deserving(trials, 1, up)
        assert chosen is not None
        up.add(chosen.number)
        yield chosen


def finished(ready: Arena, plan: Any) -> nn.Module:
    """The model of a plan, as a study hands it over."""
    model, _ = apply_plan(ready.dense, plan)
    whole = replace(ready.dense, calibration=Calibration.of(ready.task))
    again, _ = sequential_form(whole, plan, SAMPLES[0])
    losses = [measure_quality(m, ready.task, "val")["loss"].value for m in (model, again)]
    return again if losses[1] < losses[0] else model


def scores(
    found: Candidates, ready: Arena, fresh: Task, given: argparse.Namespace, seed: int
) -> Any:
    """MACs and accuracy before training, both after it, and accuracy of the first trained.

    The first model counts before training. After it counts, of the others, or of the first where it
    is alone, the one that does best on the samples of the search.
    """
    told = {}
    for budget, models in found.items():
        first = models[0]
        before = [macs(first, fresh), measure_quality(first, fresh, "val")["accuracy"].value]
        teacher = Distillation(ready.dense.model, given.distil, forward_in("bfloat16"))
        trained = [tuned(m, fresh, teacher, given, seed) for m in models[1:] or models]
        best = min(trained, key=lambda m: measure_quality(m, ready.task, "val")["loss"].value)
        accuracies = [measure_quality(m, fresh, "val")["accuracy"].value for m in trained]
        after = [macs(best, fresh), accuracies[trained.index(best)], *accuracies]
        told[f"{budget:g}"] = [*before, *after]
    return told


def tuned(
    model: nn.Module, task: Task, teacher: Distillation, given: argparse.Namespace, seed: int
) -> nn.Module:
    """A fine-tuned copy."""
    made, run = copy.deepcopy(model), given.epochs
    train(made, task, run, lr=given.lr, seed=seed, distillation=teacher, precision="bfloat16")
    return made.eval()


def alone(found: Found) -> Candidates:
    """One model by budget."""
    return {budget: [model] for budget, model in found.items()}


def counted(score: Scorer, found: Found) -> dict[str, Any]:
    """Models by budget, and how many were scored to find them."""
    return {"count": score.count, "models": found}


def kept(file: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a file of models holds; made and kept when it is not there."""
    if not file.exists():
        with redirect_stdout(io.StringIO()):  # pages of tables
            torch.save(make(), file)
    found: dict[str, Any] = torch.load(file, weights_only=False)
    return found


def once(file: Path, make: Callable[[], Any]) -> Any:
    """What a file of JSON says; made and kept when it is not there."""
    if not file.exists():
        file.write_text(json.dumps(make()) + "\n")
    return json.loads(file.read_text())


def table(told: Mapping[str, Sequence[Mapping[str, Sequence[float]]]], dense: int) -> str:
    """Markdown: a row per method and budget."""
    head = "| MACs at most | method | MACs | before training | MACs | after | the first alone |"
    lines = [head, "|---" * 7 + "|"]
    for budget in BUDGETS:
        for method, runs in told.items():
            got = [run[f"{budget:g}"] for run in runs if f"{budget:g}" in run]
            if got:
                shares = [f"{mean(g[i] for g in got) / dense:.3f}" for i in (0, 2)]
                cells = [spread([g[i] for g in got]) for i in (1, 3, 4)]
                row = [f"{budget:g}", method, shares[0], cells[0], shares[1], *cells[1:]]
                lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def spread(values: Sequence[float]) -> str:
    """Mean, and the standard deviation of more than one."""
    more = f" ±{stdev(values):.3f} ({len(values)})" if len(values) > 1 else ""
    return f"{mean(values):.3f}{more}"


def main() -> None:
    """Run what was not run yet, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--distil", type=float, default=0.5)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-search/peers"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    given.out.mkdir(parents=True, exist_ok=True)
    ready = arena(NAME, given.out / "cache", sensitivities=True)
    whole = TaskSource(SETTINGS[NAME].example).load()
    assert isinstance(whole.val, Rows)
    fresh = replace(
        whole, val=whole.val.part(torch.arange(SETTINGS[NAME].val, len(whole.val.targets)))
    )
    score = Scorer(ready.task)
    peer = kept(given.out / "fastnas.pt", lambda: counted(score, fastnas(ready, score)))
    count = peer["count"]
    print(f"FastNAS scored {count} models", flush=True)
    other = kept(given.out / "torch-pruning.pt", lambda: counted(score, swept(ready, score, count)))
    methods: dict[str, Callable[[int], Candidates]] = {
        "FastNAS": lambda _: alone(peer["models"]),
        "Torch-Pruning": lambda _: alone(other["models"]),
        "default": lambda seed: ours(ready, seed, count, given.out),
    }
    told: dict[str, list[Any]] = {method: [] for method in methods}
    for seed in given.seeds:
        for method, find in methods.items():
            file = (
                given.out / f"{method}-{given.epochs:g}-{given.lr:g}-{given.distil:g}-{seed}.json"
            )
            found = once(file, lambda f=find, s=seed: scores(f(s), ready, fresh, given, s))
            told[method].append(found)
    whole_score = measure_quality(ready.dense.model, fresh, "val")["accuracy"].value
    print(f"dense: {whole_score:.4f}\n\n{table(told, macs(ready.dense.model, fresh))}")


if __name__ == "__main__":
    main()
