"""A PostgreSQL server on the loopback, for as long as a block runs."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def programs() -> Path | None:
    """The folder with ``initdb`` and ``postgres``; None where they, or the driver, are missing."""
    if importlib.util.find_spec("psycopg") is None:
        return None
    found = shutil.which("initdb")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((c for c in candidates if (c / "initdb").exists()), None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def server() -> Iterator[str]:
    """The URL of a fresh server; it syncs to the disk as an installed one does."""
    place = programs()
    if place is None:
        raise RuntimeError("needs PostgreSQL's server programs (apt install postgresql), psycopg")
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    user = "postgres" if os.getuid() == 0 else None  # the server refuses to run as root
    if user:
        shutil.chown(folder, user)
    data, port = folder / "data", free_port()
    init = [place / "initdb", "-D", data, "-U", "hierprune", "-A", "trust", "--no-sync"]
    subprocess.run(init, check=True, user=user, capture_output=True, cwd=folder)
    flags = ["-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [place / "postgres", *flags], user=user, stdout=log, stderr=log, cwd=folder
        )
    try:
        while "ready to accept connections" not in (folder / "log").read_text():
            if process.poll() is not None:
                raise RuntimeError((folder / "log").read_text())
            time.sleep(0.05)
        yield f"postgresql+psycopg://hierprune@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        shutil.rmtree(folder)
