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

APT_SECONDS = 120
PATIENCE = ["-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=15"]
INSTALL = ["install", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"]


def programs() -> Path | None:
    """The folder with ``initdb`` and ``postgres``; None where they, or the driver, are missing."""
    if importlib.util.find_spec("psycopg") is None:
        return None
    found = shutil.which("initdb")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((c for c in candidates if (c / "initdb").exists()), None)


def install() -> str:
    """Install the server from the distribution where it is missing; why that cannot be, or empty.

    Its own service is not started: the package's main cluster is switched off beforehand.
    """
    if importlib.util.find_spec("psycopg") is None:
        return "needs psycopg"
    if programs() is not None:
        return ""
    if os.getuid() != 0 or shutil.which("apt-get") is None:
        return "needs PostgreSQL's server programs; to install them needs root and apt-get"
    settings = Path("/etc/postgresql-common/createcluster.conf")
    if not settings.exists():
        settings.parent.mkdir(exist_ok=True)
        settings.write_text("create_main_cluster = false\n")
    for arguments in (["update"], [*INSTALL, "postgresql"]):
        try:
            ended = subprocess.run(
                ["apt-get", "-qq", *PATIENCE, *arguments],
                capture_output=True,
                text=True,
                timeout=APT_SECONDS,
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            )
        except subprocess.TimeoutExpired:
            return f"apt-get {arguments[0]} took more than {APT_SECONDS} s"
        if ended.returncode:
            return f"apt-get {arguments[0]} failed: {ended.stderr.strip()[-200:]}"
    return "" if programs() else "the package postgresql brought no initdb"


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
