"""Time, epochs, allocations, and how rungs agree, in words."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import dropwhile

from ..search.rungs import SLICE, Agreement


def duration(seconds: float) -> str:
    """Time for people.

    >>> duration(0.024), duration(2.4), duration(75), duration(9000), duration(400000)
    ('24 ms', '2.4 s', '1 min 15 s', '2 h 30 min', '4 d 15 h')
    """
    if 0 < seconds < 0.95:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = zip((days, hours, minutes, rest), ("d", "h", "min", "s"), strict=True)
    first_two = list(dropwhile(lambda part: not part[0], parts))[:2]
    return " ".join(f"{count} {unit}" for count, unit in first_two if count)


def worth(seconds: float, trial: float) -> str:
    """So many trials take as long.

    >>> worth(12.0, 0.5), worth(0.3, 0.5), worth(1e4, 0.5)
    ('24 trials', '1 trial', '20,000 trials')
    """
    count = max(1, round(seconds / max(trial, 1e-9)))
    return f"{count:,} trial" + "s" * (count != 1)


def epochs_text(epochs: float) -> str:
    """Passes over the training data.

    >>> epochs_text(1.0), epochs_text(2.5)
    ('1 epoch', '2.5 epochs')
    """
    return f"{epochs:g} epoch" + "s" * (epochs != 1)


SPLITS = {
    "flat": "every group's density chosen by itself",
    "uniform": "every group thinned alike",
    "global": "split by one ranking of all groups' units",
    "erk": "split by the shapes of the layers (ERK)",
    "lamp": "split by one ranking of layer-adaptive magnitudes (LAMP)",
    "shared": "split by how many layers share a group",
    "dp": "split by what thinning each group alone costs",
}


def split_text(allocation: str) -> str:
    """How a plan's density was split over its groups.

    >>> split_text("dp"), split_text("given")
    ('split by what thinning each group alone costs', 'split as given')
    """
    return SPLITS.get(allocation, f"split as {allocation}")


def agreement_words(agreements: Iterable[Agreement]) -> str:
    """How well rungs predict the next; empty where none has a next.

    >>> agreement_words([Agreement(0, 12, 0.4)])
    'losses on rungs 0 and 1 have rank correlation 0.40 (12 plans): 1.43 times as many go up'
    """
    return "; ".join(map(agreement_text, agreements))


def agreement_text(found: Agreement) -> str:
    """How well one rung predicts the next."""
    which = f"losses on rungs {found.rung} and {found.rung + 1}"
    if found.spearman is None:
        plans = f"{found.pairs} plan" + "s" * (found.pairs != 1)
        return f"{which}: known of {plans}, {SLICE} tell how well one predicts the other"
    wider = f": {found.widening:.2f} times as many go up" if found.widening > 1 else ""
    return f"{which} have rank correlation {found.spearman:.2f} ({found.pairs} plans){wider}"
