"""Ctrl-C and friends: the first asks for a clean stop, the second ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

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
    with same_handlers():
        for number in SIGNALS:
            signal.signal(number, handle)
        yield stop


@contextmanager
def same_handlers() -> Iterator[None]:
    """Put back the handlers of :data:`SIGNALS` that the block replaces."""
    before = handlers()
    try:
        yield
    finally:
        put_back(before)


def handlers() -> dict[signal.Signals, Any]:
    """What is called at each of :data:`SIGNALS`."""
    return {s: signal.getsignal(s) for s in SIGNALS}


def put_back(before: Mapping[signal.Signals, Any]) -> None:
    """Call these handlers again; outside the main thread Python allows none to be set."""
    if threading.current_thread() is threading.main_thread():
        for number, handler in before.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler or signal.SIG_DFL)
