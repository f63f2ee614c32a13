"""One signal asks, two insist."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from hierprune.studies.signals import SIGNALS, clean_stop


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_sets_the_event(number: signal.Signals) -> None:
    with clean_stop(threading.Event()) as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        assert stop.is_set()


def test_the_second_signal_interrupts() -> None:
    with clean_stop(threading.Event()):
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
            os.kill(os.getpid(), signal.SIGTERM)


def test_an_event_that_was_set_before_does_not_count() -> None:
    stop = threading.Event()
    stop.set()
    with clean_stop(stop):
        os.kill(os.getpid(), signal.SIGINT)


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(s) for s in SIGNALS]
    with clean_stop(threading.Event()):
        assert [signal.getsignal(s) for s in SIGNALS] != before
    assert [signal.getsignal(s) for s in SIGNALS] == before


def test_other_threads_are_let_through() -> None:
    entered = []

    def run() -> None:
        with clean_stop(threading.Event()) as stop:
            entered.append(stop.is_set())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert entered == [False]
