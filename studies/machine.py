"""What this machine is called."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path


def machine() -> str:
    """Processor, cores and system, for people."""
    cores = f"{os.cpu_count() or 1} cores"
    return ", ".join([processor(), cores, f"{platform.system()} {platform.machine()}"])


def processor() -> str:
    """Name of the processor."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or "unknown processor"
