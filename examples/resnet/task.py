"""ResNet-20 on Fashion-MNIST as a ready-made task: ``resnet20-fashion``."""

from __future__ import annotations

from dataclasses import replace

from ...task import Task, Training
from .data import PIXELS, ShiftAndFlip, load_fashion
from .model import ResNet20


def resnet20_fashion(data_dir: str | None = None) -> Task:
    """ResNet-20 (272,186 parameters) on Fashion-MNIST."""
    splits = load_fashion(data_dir)
    moved = replace(PIXELS, augment=ShiftAndFlip(reach=2))
    return Task(
        name="resnet20-fashion",
        build_model=ResNet20,
        train=replace(splits.train, batch=128, shuffle=True, prepare=moved),
        val=splits.val,
        test=splits.test,
        training=Training(epochs=12, lr=0.1, optimizer="sgd", weight_decay=5e-4),
        data=splits.name,
        licence="MIT",
    )
