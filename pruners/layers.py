"""Which parameters are weights of linear maps, and which of their dimensions face which side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

Conv = nn.modules.conv._ConvNd
LinearMap = nn.Linear | nn.modules.conv._ConvNd


@dataclass(frozen=True)
class Layer:
    """One linear or convolutional module of a model, by name.

    Attributes:
        name: dotted module name.
        module: the module.
        out_dim: dimension of ``weight`` that counts outputs.
        in_dim: dimension of ``weight`` that counts inputs (of one group of a grouped convolution).
    """

    name: str
    module: LinearMap
    out_dim: int
    in_dim: int

    @property
    def weight_name(self) -> str:
        """Dotted name of the weight."""
        return f"{self.name}.weight" if self.name else "weight"

    @property
    def weight(self) -> Tensor:
        """The weight."""
        return self.module.weight

    @property
    def grouped(self) -> bool:
        """Whether the inputs are split over groups of a convolution."""
        return isinstance(self.module, Conv) and self.module.groups > 1


def linear_maps(model: nn.Module) -> Iterator[Layer]:
    """Every ``nn.Linear`` and convolution of ``model``."""
    for name, module in model.named_modules():
        if isinstance(module, LinearMap):
            transposed = isinstance(module, Conv) and module.transposed
            yield Layer(name, module, int(transposed), int(not transposed))


def by_weight(model: nn.Module) -> dict[str, Layer]:
    """The linear maps of ``model`` by the name of their weight."""
    return {layer.weight_name: layer for layer in linear_maps(model)}
