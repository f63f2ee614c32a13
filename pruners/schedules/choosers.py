"""What learns, by the gradient of the loss, which units are worth keeping.

A chooser sees one group. Its gates multiply the units while the model trains; its penalty is added
to the loss; its scores rank the units when they go. Sizes are the norms of the units as they are,
in means of those at the start.

>>> sizes = torch.tensor([0.5, 1.0, 1.5])
>>> SoftThreshold(sizes, start=0.75).gates(sizes).round(decimals=2).tolist()
[0.0, 0.25, 0.5]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

SPEED = 30.0
"""Steps of a gate's parameter to one of a weight, whose learning rate is too slow for it."""
PRICE = 0.1
"""How much the price of density rises per batch while everything lives and nothing should."""
DAMPING = 10.0


class Chooser(Protocol):
    """Of one group; a module with parameters of its own. All shapes are that of ``sizes``."""

    def gates(self, sizes: Tensor) -> Tensor:
        """Factors of the units, differentiable."""

    def penalty(self, sizes: Tensor) -> Tensor:
        """What is added to the loss, a scalar, differentiable."""

    def scores(self, sizes: Tensor) -> Tensor:
        """Rank of the units, the lowest go; no gradient."""

    def aim(self, density: float, sizes: Tensor) -> None:
        """Keep this share of the units from now on; called from time to time."""


Choosing = Callable[[Tensor], nn.Module]
"""Makes the chooser of a group from the sizes of its units."""


@dataclass(frozen=True)
class Choice:
    """Units are chosen by gradient.

    Attributes:
        choosing: makes what chooses, for a group.
        scales: the size of a unit is that of its BatchNorm scale, where it has one.
    """

    choosing: Choosing
    scales: bool = False


class Priced(nn.Module):
    """A chooser whose density costs a price that rises while too many units live.

    The loss has ``price * density``: the L0 penalty of a Lagrangian, whose multiplier is found by
    ascent and falls to 0 where the density is met (Gallego-Posada et al. 2022, arXiv:2208.04425,
    eq. (5) and the restarts of its section 4); a square of the distance damps it.
    """

    price: Tensor
    target: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("price", torch.zeros(()))
        self.register_buffer("target", torch.ones(()))

    def living(self, sizes: Tensor) -> Tensor:
        """Expected share of units whose gate is not 0, differentiable."""
        raise NotImplementedError

    def penalty(self, sizes: Tensor) -> Tensor:
        """See :class:`Chooser`; the price follows."""
        living = self.living(sizes)
        with torch.no_grad():
            self.price += PRICE * (living - self.target)
            self.price *= living > self.target
        return self.price.clone() * living + DAMPING * (living - self.target).square()

    def aim(self, density: float, sizes: Tensor) -> None:
        """See :class:`Chooser`."""
        self.target.fill_(density)


class HardConcrete(Priced):
    """Stochastic gates that are 0 or 1 most of the time: Louizos et al. 2018, arXiv:1712.01312."""

    BETA, LOW, HIGH = 2 / 3, -0.1, 1.1  # section 4.1 of the paper

    def __init__(self, sizes: Tensor, start: float = 2.0) -> None:
        super().__init__()
        self.location = nn.Parameter(torch.full_like(sizes, start / SPEED))

    def gates(self, sizes: Tensor) -> Tensor:
        """Eq. (10) and (11) of the paper; drawn anew at every call in training mode."""
        location = SPEED * self.location
        if self.training:
            noise = torch.rand_like(sizes).clamp(1e-6, 1 - 1e-6)
            location = (location + noise.logit()) / self.BETA
        stretched = location.sigmoid() * (self.HIGH - self.LOW) + self.LOW
        return stretched.clamp(0.0, 1.0)

    def living(self, sizes: Tensor) -> Tensor:
        """Eq. (12) of the paper."""
        shift = self.BETA * torch.tensor(-self.LOW / self.HIGH).log()
        return (SPEED * self.location - shift).sigmoid().mean()

    def scores(self, sizes: Tensor) -> Tensor:
        """What is expected to be left of the units' sizes."""
        return sizes.detach() * (SPEED * self.location.detach()).sigmoid()


class SoftThreshold(Priced):
    """Units shrink by a learned size, and the small ones vanish: arXiv:2002.03231 (STR).

    The paper lets weight decay on the thresholds decide how dense the model ends; here a price
    does, so that it ends as the plan says.
    """

    WIDTH = 0.1  # of the smoothed step that counts the living

    def __init__(self, sizes: Tensor, start: float = 0.0) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(start / SPEED))

    def gates(self, sizes: Tensor) -> Tensor:
        """1 - threshold / size, or 0."""
        spare = torch.finfo(sizes.dtype).tiny
        return (1 - SPEED * self.threshold.clamp(min=0) / sizes.clamp(min=spare)).clamp(min=0)

    def living(self, sizes: Tensor) -> Tensor:
        """Share of the units above the threshold."""
        return ((sizes - SPEED * self.threshold) / self.WIDTH).sigmoid().mean()

    def scores(self, sizes: Tensor) -> Tensor:
        """The larger stay."""
        return sizes.detach()


class Movement(nn.Module):
    """Units that the loss wants to grow stay: Sanh et al. 2020, arXiv:2005.07683.

    Scores are learned through a hard mask of the highest (eq. (3) of the paper); units behind the
    mask keep their weights, and come back when others fall below them.
    """

    mask: Tensor

    def __init__(self, sizes: Tensor) -> None:
        super().__init__()
        self.worth = nn.Parameter(torch.zeros_like(sizes))
        self.register_buffer("mask", torch.ones_like(sizes))

    def gates(self, sizes: Tensor) -> Tensor:
        """0 or 1, the gradient goes straight through to the scores; in eval mode all are open."""
        if not self.training:
            return torch.ones_like(sizes)
        return self.mask + self.worth - self.worth.detach()

    def penalty(self, sizes: Tensor) -> Tensor:
        """None."""
        return sizes.new_zeros(())

    def scores(self, sizes: Tensor) -> Tensor:
        """What was learned."""
        return self.worth.detach()

    def aim(self, density: float, sizes: Tensor) -> None:
        """See :class:`Chooser`."""
        count = max(1, round(density * self.worth.numel()))
        order = self.worth.detach().flatten().argsort(descending=True, stable=True)
        self.mask.zero_().view(-1)[order[:count]] = 1.0


class Lasso(nn.Module):
    """Sizes cost, so that units which earn little shrink.

    Of structures this is the group lasso (Wen et al. 2016, arXiv:1608.03665), of single weights the
    lasso, of BatchNorm scales network slimming (Liu et al. 2017, arXiv:1708.06519).
    """

    WEIGHT = 0.03  # of the mean size

    def __init__(self, sizes: Tensor) -> None:
        super().__init__()

    def gates(self, sizes: Tensor) -> Tensor:
        """All open."""
        return torch.ones_like(sizes)

    def penalty(self, sizes: Tensor) -> Tensor:
        """See :class:`Chooser`."""
        return self.WEIGHT * sizes.mean()

    def scores(self, sizes: Tensor) -> Tensor:
        """The larger stay."""
        return sizes.detach()

    def aim(self, density: float, sizes: Tensor) -> None:
        """See :class:`Chooser`; the penalty is the same at all densities."""
