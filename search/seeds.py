"""Seeds of draws within a study."""

from __future__ import annotations

import numpy as np


def mixed(seed: int, index: int) -> int:
    """The seed of a study's index-th draw; studies of neighbouring seeds share none."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
