"""Where things that can be made again are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def default_cache() -> Path:
    """$HIERPRUNE_CACHE, or the user's cache folder of this package."""
    folder = os.environ.get("HIERPRUNE_CACHE")
    return Path(folder) if folder else platformdirs.user_cache_path("hierprune")
