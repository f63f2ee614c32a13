"""A private Ray cluster talks to nobody but itself, and nothing of it stays."""

from __future__ import annotations

import ipaddress
import os
import signal
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import ray
from chaos import Launcher, audit, orphans, run_to_end

from hierprune.studies.ray_cluster import cluster
from hierprune.studies.ray_settings import environment
from hierprune.studies.ray_tune import RayExecutor

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("_ray_alone")]


def family(pid: int) -> set[int]:
    """A process and everything that descends from it."""
    parents = dict(filter(None, map(parent, Path("/proc").glob("[0-9]*/stat"))))
    found, size = {pid}, 0
    while len(found) > size:
        size = len(found)
        found |= {child for child, above in parents.items() if above in found}
    return found


def parent(stat: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        return int(stat.parts[2]), int(stat.read_text().rpartition(")")[2].split()[1])
    return None


def sockets(pid: int) -> Iterator[str]:
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(OSError):
            target = str(link.readlink())
            if target.startswith("socket:["):
                yield target[8:-1]


def addresses(pids: set[int]) -> dict[str, list[ipaddress.IPv4Address | ipaddress.IPv6Address]]:
    """Local ends of listening, and far ends of all other, TCP sockets of these processes."""
    inodes = {inode for pid in pids for inode in sockets(pid)}
    found: dict[str, list[ipaddress.IPv4Address | ipaddress.IPv6Address]] = {"in": [], "out": []}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, far, state, *rest = line.split()
            if rest[5] in inodes:
                kind, end = ("in", local) if state == "0A" else ("out", far)
                found[kind].append(address(end))
    return found


def address(end: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    raw = bytes.fromhex(end.partition(":")[0])
    words = struct.unpack(f">{len(raw) // 4}I", raw)
    ip = ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip


def test_a_machine_where_ray_does_not_start_is_told_in_a_sentence(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path, ["--trials", "4", "--executor", "ray"])
    with environment({"RAY_gcs_server_port_wait_time_s": "0"}):
        launcher.start()
    assert launcher.wait() == 1
    said = (tmp_path / "launchers.log").read_text()
    assert "RuntimeError: Ray could not be started on this machine, tried 3 times" in said
    assert orphans(tmp_path) == 0
    run_to_end(Launcher(tmp_path, ["--trials", "4", "--seconds", "0"]))
    assert audit(tmp_path).faults(expected=4) == []


@pytest.mark.filterwarnings("ignore")
def test_ray_can_be_started_by_others_afterwards(tmp_path: Path) -> None:
    with cluster(RayExecutor(1, tmp_path)):
        assert ray.is_initialized()
    assert not ray.is_initialized()
    ray.init(address="local", num_cpus=1, include_dashboard=False, logging_level="ERROR")
    assert ray.cluster_resources()["CPU"] == 1
    ray.shutdown()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_port_beyond_loopback_no_telemetry_nobody_left(
    tmp_path: Path, number: signal.Signals
) -> None:
    launcher = Launcher(tmp_path, ["--trials", "1000", "--seconds", "0.1", "--executor", "ray"])
    launcher.start()
    launcher.wait_for_results(4)
    assert launcher.process is not None
    members = family(launcher.process.pid)
    found = addresses(members)
    assert len(members) >= 5
    assert len(found["in"]) >= 5
    assert [ip for ip in found["in"] + found["out"] if not ip.is_loopback] == []
    raylets = [p for p in members if b"raylet" in Path(f"/proc/{p}/cmdline").read_bytes()]
    assert raylets
    for pid in raylets:
        assert b"RAY_USAGE_STATS_ENABLED=0" in Path(f"/proc/{pid}/environ").read_bytes().split(
            b"\0"
        )

    launcher.send(number)
    assert launcher.wait() == (0 if number == signal.SIGTERM else -number)
    assert orphans(tmp_path) == 0
    assert [pid for pid in members if alive(pid)] == []


def alive(pid: int) -> bool:
    with suppress(OSError):
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False
