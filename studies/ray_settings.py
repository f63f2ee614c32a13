"""Settings that keep Ray quiet, private and patient; Ray reads them from the environment."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent home
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # signals are the launcher's
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # its snapshots are of no use here
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_THRESHOLD_S": "1000000",
}

PATIENT = {
    "RAY_gcs_server_port_wait_time_s": "120",
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_agent_register_timeout_ms": "600000",
}
STARTS = 3  # what Ray has read once is read faster the next time

Started = TypeVar("Started")


def patiently(start: Callable[[], Started], undo: Callable[[], None]) -> Started:
    """What ``start`` returns, on a machine and a disk that may be slow or busy.

    The files of Ray's servers are read before the clock of the first wait runs, and a start that
    failed is undone and repeated.

    Raises:
        RuntimeError: it failed again and again.
    """
    read_servers()
    with environment(PATIENT):
        for _ in range(STARTS):
            try:
                return start()
            except Exception as error:
                undo()
                last = error
    message = f"Ray could not be started on this machine, tried {STARTS} times: {last}"
    raise RuntimeError(f"{message}. --executor local needs no Ray") from last


def read_servers() -> None:
    """Bring Ray's servers, some 80 MB, into memory in one go, which a slow disk does best."""
    package = find_spec("ray")
    assert package is not None
    assert package.origin is not None
    for server in Path(package.origin).parent.glob("core/src/ray/*/*"):
        if server.is_file():
            server.read_bytes()


@cache
def token() -> dict[str, str]:
    """A secret for private clusters, which keeps out the other users of this machine.

    Ray keeps the first one it has read, and asks for it, as long as the process lives. So there is
    one per process, and it must stay in the environment: the servers of a cluster that is started
    later, by whomever, end at once without it. A token that the user has set up stays in force.
    """
    names = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    own = (Path.home() / ".ray" / "auth_token").exists() or any(n in os.environ for n in names)
    return {} if own else {"RAY_AUTH_TOKEN": secrets.token_hex(16)}


@contextmanager
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for a while; those that are set already stay."""
    added = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
