"""What is the same for all trials, found once per study and kept in ``RUN/cache``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..objectives.packing import load_state, save_state
from ..pruners.allocation import Path as AllocationPath
from ..pruners.calibration import Calibration, InputStatistics, input_statistics
from ..pruners.cost import CostModel
from ..pruners.dense import Dense, allocation_path
from ..pruners.plan import Recovery
from ..pruners.profile import Profile, additive_path, measure_profile
from ..pruners.tree import ModelTree
from ..pruners.tree_cache import task_tree
from ..pruners.uses import LinearUse
from ..search.space import Landscape, SpaceOptions
from ..task import Task
from ..whole import write_whole
from .dense import default_cache, dense_model
from .fingerprint import weights_sha256
from .progress import Progress, Silent
from .run_record import RunRecord

CACHE = "cache"
DENSE = "dense.safetensors"
Note = Callable[[str], None]
"""Takes one line that says what is being done."""


def silent(_: str) -> None:
    """Hears nothing."""


def dense_of(record: RunRecord, task: Task, cache: Path) -> nn.Module:
    """The dense model of a study: built by its task, with the trained weights in ``cache``.

    Raises:
        UsageError: it is not the model that the study was started with.
    """
    model = task.build_model()
    weights = cache / DENSE
    if task.training is not None and weights.exists():
        state = load_state(weights)
        shapes = {k: v.shape for k, v in state.items()}
        if shapes == {k: v.shape for k, v in model.state_dict().items()}:
            model.load_state_dict(state)
    elif task.training is not None:
        model = dense_model(task, default_cache())
    found = weights_sha256(model)
    if found != record.dense.sha256:
        raise UsageError(
            f"this is not the dense model that the study was started with: its weights have "
            f"SHA-256 {found[:12]}, recorded is {record.dense.sha256[:12]}"
        )
    return model


def prepare(task: Task, model: nn.Module, cache: Path, note: Note = silent) -> Dense:
    """The dense model with its hierarchy and statistics, from ``cache`` where they are there.

    Args:
        task: gives calibration data and example inputs.
        model: dense and trained; put into eval mode.
        cache: folder; made when it is not there. Files in it can be deleted at any time.
        note: hears what is being done.
    """
    cache.mkdir(parents=True, exist_ok=True)
    if not (cache / DENSE).exists():
        save_state(model.state_dict(), cache / DENSE)
    calibration = Calibration.of(task)
    tree = hierarchy(task, model, cache, note)

    def measure() -> dict[str, InputStatistics]:
        note("measuring what the layers see")
        return input_statistics(model, calibration)

    statistics = cached_statistics(cache / "statistics.safetensors", measure)
    return Dense(model.eval(), tree, calibration, statistics, sha256=weights_sha256(model))


def hierarchy(task: Task, model: nn.Module, cache: Path, note: Note = silent) -> ModelTree:
    """The tree of a model, trained or not, from ``cache`` where it is there."""

    def trace() -> ModelTree:
        note("tracing what can be pruned")
        return task_tree(task, model.eval(), task.limits)

    return cached_tree(cache / "tree.json", trace)


def fill_saliency(dense: Dense, options: SpaceOptions, cache: Path) -> None:
    """Compute, or read from ``cache``, the saliency of every criterion of the space."""
    for granularity in options.granularities:
        for name in options.criteria[granularity]:
            if name != "random":
                path = cache / f"saliency-{granularity}-{name}.safetensors"
                compute = partial(dense.scores, name, granularity)
                dense.saliency[name, granularity] = cached_tensors(path, compute)


def landscapes(
    dense: Dense,
    options: SpaceOptions,
    recovery: Recovery,
    cache: Path,
    progress: Progress | None = None,
) -> dict[str, Landscape]:
    """What the search space needs to know of the model, by granularity.

    Args:
        dense: the model.
        options: of the space.
        recovery: of rung 0, which sensitivities are measured with.
        cache: where they are kept.
        progress: hears of long work.

    Raises:
        UsageError: a granularity has nothing to prune.
    """
    check_prunable(dense.tree, options)
    progress = progress or Silent()
    found = {}
    for granularity in options.granularities:
        groups = dense.tree.units(granularity)
        cost = cost_of(dense.tree, granularity, options)
        paths: dict[tuple[str, str], AllocationPath] = {}
        for criterion in options.criteria[granularity]:
            scores = dense.scores(criterion, granularity)
            for name in options.allocations[granularity]:
                if name == "dp":
                    profile = cached_profile(
                        dense, (granularity, criterion), recovery, cache, progress
                    )
                    path: AllocationPath = additive_path(profile, cost, options.budget)
                else:
                    path = allocation_path(dense.tree, granularity, cost, name, scores)
                paths[name, criterion] = path
        found[granularity] = Landscape(cost, tuple(g.stage for g in groups), paths)
    return found


def cost_of(tree: ModelTree, granularity: str, options: SpaceOptions) -> CostModel:
    """What widths cost, and which ones the space allows."""
    cost = CostModel.of(tree, granularity)
    if granularity == "channel" and isinstance(options.align, int):
        return cost.aligned(options.align)
    return cost


def cached_profile(
    dense: Dense, of: tuple[str, str], recovery: Recovery, cache: Path, progress: Progress
) -> Profile:
    """One-layer sensitivities of (granularity, criterion), from ``cache`` where they are there."""
    file = profile_file(cache, *of)

    def measure() -> dict[str, Tensor]:
        progress.note(f"measuring one-layer sensitivities ({of[0]}, {of[1]})")
        found = measure_profile(dense, *of, recovery, progress.share)
        return {name: torch.tensor(value) for name, value in vars(found).items()}

    return profile_from(cached_tensors(file, measure))


def profile_file(cache: Path, granularity: str, criterion: str) -> Path:
    """Where the sensitivities of a granularity and criterion are kept."""
    return cache / f"profile-{granularity.replace(':', '-')}-{criterion}.safetensors"


def read_profile(cache: Path, granularity: str, criterion: str) -> Profile | None:
    """The sensitivities in ``cache``; ``None`` where there are none that can be read."""
    try:
        return profile_from(load_state(profile_file(cache, granularity, criterion)))
    except (OSError, UsageError, KeyError):
        return None


def profile_from(tensors: Mapping[str, Tensor]) -> Profile:
    """The sensitivities in a file; those of earlier versions do not say how long they took."""
    seconds = float(tensors["seconds"]) if "seconds" in tensors else 0.0
    return Profile(tensors["densities"].numpy(), tensors["rise"].numpy(), seconds)


def check_prunable(tree: ModelTree, options: SpaceOptions) -> None:
    """Raise :class:`UsageError`, with the reasons, where a granularity has no groups."""
    for granularity in options.granularities:
        if not tree.units(granularity):
            reasons = "".join(f"\n  {e.name}: {e.reason}" for e in tree.excluded[:20])
            raise UsageError(
                f"the model has nothing to prune at granularity {granularity!r}{reasons}"
            )


def cached_tree(path: Path, build: Callable[[], ModelTree]) -> ModelTree:
    """The tree in a file, or a new one; a damaged file is written anew."""
    try:
        return ModelTree.from_json(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        tree = build()
        write_whole(path, json.dumps(tree.to_json()))
        return tree


def cached_tensors(path: Path, build: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
    """The tensors in a safetensors file, or new ones; a damaged file is written anew."""
    try:
        return load_state(path)
    except (OSError, UsageError):
        tensors = build()
        save_state({k: v.contiguous() for k, v in tensors.items()}, path)
        return tensors


def cached_statistics(
    path: Path, build: Callable[[], dict[str, InputStatistics]]
) -> dict[str, InputStatistics]:
    """Input statistics through a safetensors file: ``NAME:use``, ``:gram`` and ``:mean_abs``."""
    tensors = cached_tensors(path, lambda: statistics_to_tensors(build()))
    uses = {
        name.removesuffix(":use"): LinearUse.from_json(bytes(text.tolist()).decode())
        for name, text in tensors.items()
        if name.endswith(":use")
    }
    return {
        n: InputStatistics(use, tensors.get(f"{n}:gram"), tensors[f"{n}:mean_abs"])
        for n, use in uses.items()
    }


def statistics_to_tensors(statistics: Mapping[str, InputStatistics]) -> dict[str, Tensor]:
    """Flat tensors of input statistics."""
    tensors: dict[str, torch.Tensor] = {}
    for name, stats in statistics.items():
        tensors[f"{name}:use"] = torch.tensor(list(stats.use.to_json().encode()), dtype=torch.uint8)
        tensors[f"{name}:mean_abs"] = stats.mean_abs
        if stats.gram is not None:
            tensors[f"{name}:gram"] = stats.gram
    return tensors
