"""What a launcher says while it runs."""

import threading
import time

import pytest
from small import Heard

from hierprune.studies.launch import FINISHING, GOING_BACK, told_of_stop


@pytest.mark.parametrize(("requeue", "said"), [(False, FINISHING), (True, GOING_BACK)])
def test_a_stop_is_acknowledged_once(requeue: bool, said: str) -> None:
    notes, stop = Heard(), threading.Event()
    with told_of_stop(stop, notes, requeue=requeue):
        assert notes.noted == []
        stop.set()
        end = time.monotonic() + 30
        while not notes.noted and time.monotonic() < end:
            time.sleep(0.01)
    assert notes.noted == [said]


def test_an_end_without_a_stop_says_nothing() -> None:
    notes = Heard()
    with told_of_stop(threading.Event(), notes, requeue=False):
        pass
    assert notes.noted == []
