"""LeNet-5 on MNIST as ready-made tasks: ``lenet5-mnist`` and ``lenet5-small-mnist``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from ...task import Task, Training
from .data import PIXELS, ShiftTogether, load_mnist
from .model import LeNet5


@dataclass(frozen=True)
class Recipe:
    """How a data set is trained on: digits per batch, their shift in pixels, and the rest."""

    batch: int
    shift: int
    training: Training


RECIPES: Mapping[str, Recipe] = {
    "mnist": Recipe(128, 1, Training(epochs=4, lr=3e-3, weight_decay=0.01)),
    "mnist-5k": Recipe(64, 2, Training(epochs=20, lr=3e-3, weight_decay=0.01)),
}


def lenet5_mnist(data_dir: str | None = None) -> Task:
    """Caffe's LeNet-5 (20-50-500-10, 431,080 parameters) on MNIST."""
    return mnist_task("lenet5-mnist", LeNet5, data_dir)


def lenet5_small_mnist(data_dir: str | None = None) -> Task:
    """A small LeNet-5 (6-16-120-10, 34,622 parameters) on MNIST."""
    build = partial(LeNet5, conv1=6, conv2=16, hidden=120)
    return mnist_task("lenet5-small-mnist", build, data_dir)


def mnist_task(name: str, build_model: Callable[[], LeNet5], data_dir: str | None) -> Task:
    """Classification of MNIST by a model that is trained first."""
    splits = load_mnist(data_dir)
    recipe = RECIPES[splits.name]
    moved = replace(PIXELS, augment=ShiftTogether(recipe.shift))
    return Task(
        name=name,
        build_model=build_model,
        train=replace(splits.train, batch=recipe.batch, shuffle=True, prepare=moved),
        val=splits.val,
        test=splits.test,
        training=recipe.training,
        data=splits.name,
        licence="CC BY-SA 3.0",
    )
