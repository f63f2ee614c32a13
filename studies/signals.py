"""Ctrl-C and friends: the first asks for a clean stop, the second ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""Ctrl-C; what ``kill`` and containers send; what Slurm sends with ``--signal=B:USR1@60``."""


@contextmanager
def clean_stop(stop: threading.Event) -> Iterator[threading.Event]:
    """Set ``stop`` at the first signal, raise ``KeyboardInterrupt`` at the second.

    The handlers that were there before are put back. Outside the main thread, where Python allows
    no handlers, nothing is caught.
    """
    received: list[int] = []

    def handle(signum: int, frame: FrameType | None) -> None:
        received.append(signum)
        if len(received) > 1:
            raise KeyboardInterrupt(f"second signal: {signal.Signals(signum).name}")
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {s: signal.signal(s, handle) for s in SIGNALS}
    try:
        yield stop
    finally:
        for s, handler in before.items():
            signal.signal(s, handler or signal.SIG_DFL)
