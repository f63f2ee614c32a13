"""The dense model of a task: as the user built it, or trained once and kept."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from ..cachedir import default_cache as default_cache
from ..errors import UsageError
from ..objectives.packing import load_state, save_state
from ..pruners.training import train
from ..task import Task, Training
from .fingerprint import data_sha256, samples_sha256, weights_sha256

FORMAT = 1  # of the training procedure: counted up when a recipe comes to give other weights
TRAIN_SAMPLES = 1000  # of the train split that are looked at to tell one data set from another

Progress = Callable[[float], None]


def dense_model(task: Task, cache: Path, progress: Progress | None = None) -> nn.Module:
    """The model that everything is compared with, in eval mode.

    Without a training recipe it is what ``build_model`` gives. With one it is trained from its
    seed and kept in ``cache`` under a name that depends on recipe, model and data; the next call
    loads it from there.

    Args:
        task: whose model.
        cache: a folder, made when missing; where that fails, nothing is kept.
        progress: called while training, with the share that is done.
    """
    recipe = task.training
    if recipe is None:
        return task.build_model().eval()
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        model = task.build_model()
        name = f"{re.sub('[^-.0-9A-Za-z]', '_', task.name)}-{origin_sha256(task, model)[:16]}"
    file = cache / f"{name}.safetensors"
    if not restored(model, file):
        fit(model, task, recipe, progress)
        with suppress(OSError):  # a cache that cannot be written costs time only
            cache.mkdir(parents=True, exist_ok=True)
            save_state(model.state_dict(), file)
    return model.eval()


def origin_sha256(task: Task, model: nn.Module) -> str:
    """Hash of all that the trained weights follow from, as far as it can be seen.

    That is the recipe, the untrained model with the code of its class, the loss, the val split
    and the head of the train split. Draws from the global generator.
    """
    origin = {
        "format": FORMAT,
        "training": asdict(task.training) if task.training else None,
        "weights": weights_sha256(model),
        "model": [repr(model), source_of(type(model))],
        "loss": source_of(task.loss),
        "val": data_sha256(task),
        "train": samples_sha256(task.batches("train"), TRAIN_SAMPLES),
    }
    return hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()


def source_of(thing: object) -> str:
    """The source code of a class or function; "" where Python does not know it."""
    with suppress(OSError, TypeError):
        return inspect.getsource(thing)  # type: ignore[arg-type]
    return ""


def restored(model: nn.Module, file: Path) -> bool:
    """Load kept weights into a model; False where there are none, or not of this model."""
    with suppress(OSError, UsageError, RuntimeError):
        model.load_state_dict(load_state(file))
        return True
    return False


def fit(model: nn.Module, task: Task, recipe: Training, progress: Progress | None) -> None:
    """Train a model by the task's recipe."""
    train(
        model,
        task,
        recipe.epochs,
        lr=recipe.lr,
        optimizer=recipe.optimizer,
        weight_decay=recipe.weight_decay,
        seed=recipe.seed,
        progress=progress,
    )
