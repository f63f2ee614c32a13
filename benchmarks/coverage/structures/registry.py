"""The list of hand-written structures: each a builder and its example inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hierprune.task import Inputs


@dataclass(frozen=True)
class Structure:
    """One small network that shows one way to write a model."""

    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[], Inputs]


STRUCTURES: dict[str, Structure] = {}


def structure(inputs: Callable[[], Inputs]) -> Callable[[Callable[[], nn.Module]], Callable]:
    """Register a class or function that builds a network, under its name."""

    def register(build: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
        STRUCTURES[build.__name__] = Structure(build.__name__, build, inputs)
        return build

    return register


@dataclass(frozen=True)
class Trap:
    """A small network that is easily cut wrongly.

    Attributes:
        name: what lies in wait.
        build: gives the network.
        inputs: a batch of so many samples.
    """

    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[int], Tensor]


TRAPS: dict[str, Trap] = {}


def trap(inputs: Callable[[int], Tensor]) -> Callable[[Callable[[], nn.Module]], Callable]:
    """Register a class or function that builds a network, under its name."""

    def register(build: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
        TRAPS[build.__name__] = Trap(build.__name__, build, inputs)
        return build

    return register


def image(channels: int = 3, size: int = 16) -> Callable[[], Tensor]:
    return lambda: torch.randn(2, channels, size, size)


def vectors(n: int = 12) -> Callable[[], Tensor]:
    return lambda: torch.randn(2, n)


def sequence(length: int = 6, n: int = 12) -> Callable[[], Tensor]:
    return lambda: torch.randn(2, length, n)


def tokens(length: int = 8, vocabulary: int = 30) -> Callable[[], Tensor]:
    return lambda: torch.arange(2 * length).reshape(2, length) * 7 % vocabulary
