"""The life of a Ray cluster: a private one on this machine, or a connection to a given one."""

from __future__ import annotations

import logging
import math
import os
import shutil
import socket
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Protocol

import ray
import torch

from ..errors import UsageError
from .ray_settings import QUIET, environment, patiently, token
from .reaper import end_users, reaped
from .shipping import lay_out
from .signals import same_handlers

CONNECT_SECONDS = 5.0
JOIN_SECONDS = 120.0  # for a machine that is being started
OBJECT_STORE_BYTES = 10**8  # trials and outcomes are small


class Wanted(Protocol):
    """What a cluster is for; see :class:`~hierprune.studies.ray_tune.RayExecutor`."""

    @property
    def workers(self) -> int:
        """Trials at once."""

    @property
    def folder(self) -> Path:
        """The run folder."""

    @property
    def address(self) -> str | None:
        """Of a running cluster; None for a private one."""

    @property
    def resources(self) -> Mapping[str, float]:
        """What one trial takes."""

    @property
    def cargo(self) -> tuple[Path, ...]:
        """Files that every machine of a given cluster gets."""


@contextmanager
def cluster(wanted: Wanted) -> Iterator[Path]:
    """A connection to the cluster, and a folder for Tune that is gone afterwards.

    A connection that exists is used, and left open.

    Raises:
        UsageError: there is no cluster at the address.
    """
    with ExitStack() as stack:
        stack.enter_context(environment(QUIET))
        stack.enter_context(silence(wanted.folder / "logs"))
        scratch = Path(tempfile.mkdtemp(prefix="hp-", dir=shared(wanted)))
        if wanted.address is None and not ray.is_initialized():
            stack.enter_context(reaped(scratch))
            os.environ.update(token())
            start(wanted, scratch)
            stack.callback(ray.shutdown)
        else:
            stack.callback(shutil.rmtree, scratch, ignore_errors=True)
            if not ray.is_initialized():
                goods = scratch / "cargo"
                lay_out(wanted.cargo, goods)
                connect(str(wanted.address), goods if wanted.cargo else None)
                stack.callback(ray.shutdown)
        check_room(wanted)
        yield scratch


def check_room(wanted: Wanted) -> None:
    """See whether a machine of the cluster has what one trial takes; another may join later.

    Raises:
        UsageError: none has, and it is a private cluster, which nobody joins.
    """
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    if any(has(machine, wanted.resources) for machine in machines):
        return
    if wanted.address is None:
        raise UsageError(lacking(wanted.resources))
    asked = words(wanted.resources)
    warnings.warn(f"no machine of the cluster has {asked} yet, so trials wait", stacklevel=2)


def check_private(resources: Mapping[str, float]) -> None:
    """See whether a cluster on this machine would have what one trial takes; none is started.

    Raises:
        UsageError: it would not.
    """
    if ray.is_initialized():
        return
    machine = {"CPU": math.inf, "memory": math.inf, "object_store_memory": math.inf}
    machine["GPU"] = torch.cuda.device_count()
    if not has(machine, resources):
        raise UsageError(lacking(resources))


def has(machine: Mapping[str, float], resources: Mapping[str, float]) -> bool:
    """Whether a machine, by Ray's names, has what a trial takes."""
    names = {"cpu": "CPU", "gpu": "GPU"}
    return all(machine.get(names.get(name, name), 0) >= n for name, n in resources.items())


def lacking(resources: Mapping[str, float]) -> str:
    """What to say of a trial that this machine cannot run."""
    return f"a trial takes {words(resources)}, which this machine does not have (--resources)"


def words(resources: Mapping[str, float]) -> str:
    """As they are given on the command line."""
    return ", ".join(f"{name}={n:g}" for name, n in resources.items())


def check_listening(address: str) -> None:
    """Raise :class:`UsageError` when nobody listens at ``host:port``; Ray would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit()):
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        message = f"--address must name a running Ray cluster, nobody answers at {address!r}"
        raise UsageError(f"{message} ({error})") from error


@contextmanager
def silence(logs: Path) -> Iterator[None]:
    """Keep what Ray says in the driver in the run's logs: a dead worker is told as an outcome."""
    logs.mkdir(parents=True, exist_ok=True)
    chatter = logging.getLogger("ray.tune")
    level = chatter.level
    chatter.setLevel(logging.CRITICAL)
    try:
        with (logs / "ray.log").open("a") as log, redirect_stdout(log):
            yield
    finally:
        chatter.setLevel(level)


def shared(wanted: Wanted) -> Path:
    """Where every machine of the cluster can write; short at home, for the paths of sockets."""
    if wanted.address is None and not ray.is_initialized():
        return Path("/tmp")
    cache = wanted.folder.absolute() / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def start(wanted: Wanted, scratch: Path) -> None:
    """Start a cluster on this machine with room for the workers; it listens on loopback alone.

    Raises:
        RuntimeError: Ray could not be started.
    """

    def undo() -> None:
        ray.shutdown()
        end_users(scratch)

    with loopback(), slow_nodes(), same_handlers():  # Ray would exit at SIGTERM
        patiently(lambda: start_once(wanted, scratch), undo)


def start_once(wanted: Wanted, scratch: Path) -> None:
    """One try."""
    ray.init(
        address="local",
        num_cpus=max(1, math.ceil(wanted.workers * wanted.resources.get("cpu", 1))),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=OBJECT_STORE_BYTES,
        _node_ip_address="127.0.0.1",
        _temp_dir=str(scratch),
    )


@contextmanager
def loopback() -> Iterator[None]:
    """Make Ray take 127.0.0.1 by its word.

    It replaces a loopback address by one that other machines can reach, unless it was told, at its
    import, that there are none (as it is on macOS and Windows).
    """
    constants = ray._private.ray_constants
    before = constants.ENABLE_RAY_CLUSTER
    constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def slow_nodes() -> Iterator[None]:
    """Give a machine that is being started minutes to join its cluster; Ray gives it 30 seconds."""
    services = ray._private.services
    look = services.get_node

    def look_longer(*arguments: Any) -> Any:
        end = time.monotonic() + JOIN_SECONDS
        while True:
            try:
                return look(*arguments)  # type: ignore[no-untyped-call]
            except RuntimeError:  # it has not joined yet
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    services.get_node = look_longer
    try:
        yield
    finally:
        services.get_node = look


def connect(address: str, goods: Path | None = None) -> None:
    """Join a running cluster, whose workers then start in a copy of the folder ``goods``.

    Raises:
        UsageError: there is none.
    """
    check_listening(address)
    try:
        with same_handlers():
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"working_dir": str(goods)} if goods else None,
            )
    except (ConnectionError, ValueError, RuntimeError) as error:
        message = f"--address must name a running Ray cluster, got {address!r}: {error}"
        raise UsageError(message) from error
