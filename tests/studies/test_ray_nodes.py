"""Clusters of several machines: one is taken away, one does not see the user's files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from chaos import Launcher, audit
from ray.cluster_utils import Cluster
from toy import DIRECTIONS, proposer

from hierprune.studies.executor import RecipeSpec
from hierprune.studies.ledger import Ledger
from hierprune.studies.ray_cluster import slow_nodes
from hierprune.studies.ray_settings import PATIENT, patiently
from hierprune.studies.ray_tune import RayExecutor
from hierprune.studies.storage import open_storage
from hierprune.studies.study import Study
from hierprune.studies.verify_run import verify_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.usefixtures("_ray_alone"),
]


@pytest.fixture(scope="module")
def nodes(_ray_alone: None) -> Iterator[Cluster]:
    """A cluster whose head runs no trials."""
    head = {"num_cpus": 0, "include_dashboard": False}
    with slow_nodes():
        found = patiently(lambda: Cluster(initialize_head=True, head_node_args=head), ray.shutdown)
    yield found
    found.shutdown()


def node(cluster: Cluster, **has: int) -> Any:
    """One more machine, with a CPU unless it is told otherwise."""
    with slow_nodes():
        return patiently(lambda: cluster.add_node(**({"num_cpus": 1} | has)), lambda: None)


def test_a_node_is_removed_while_trials_run(tmp_path: Path, nodes: Cluster) -> None:
    doomed, other = node(nodes), node(nodes)
    options = ["--trials", "20", "--seconds", "0.5", "--executor", "ray"]
    launcher = Launcher(tmp_path, [*options, "--address", nodes.address])
    launcher.start()
    while len(list(tmp_path.glob("logs/ray-*-*.log"))) < 2:  # one worker on either node
        assert launcher.running()
        time.sleep(0.05)
    launcher.wait_for_results(3)
    assert launcher.running()
    nodes.remove_node(doomed, allow_graceful=False)
    assert launcher.wait() == 0, (tmp_path / "launchers.log").read_text()[-2000:]
    assert audit(tmp_path).faults(expected=20) == []
    nodes.remove_node(other)


def test_two_trials_share_a_gpu(tmp_path: Path, nodes: Cluster) -> None:
    machine = node(nodes, num_gpus=1)
    half = {"cpu": 0.5, "gpu": 0.5}
    executor = RayExecutor(4, tmp_path, address=nodes.address, resources=half)
    with Ledger(open_storage(tmp_path), tmp_path, DIRECTIONS, proposer(), 6) as ledger:
        executor.run(RecipeSpec("toy:on_gpu", {}), ledger.ask, ledger.tell, threading.Event())
        told = ledger.trials()
    nodes.remove_node(machine)
    assert [t.values[2] for t in told] == [0.0] * 6
    workers = list(tmp_path.glob("logs/ray-*-*.log"))
    assert len(workers) == 2


@pytest.fixture
def blind(tmp_path: Path, nodes: Cluster) -> Iterator[Path]:
    """A node with a CPU where the user's folder is empty, as on another machine; its log."""
    probe = ["unshare", "--mount", "true"]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("hiding a folder from a process needs unshare(1) and root")
    program = Path(sys.executable).with_name("ray")
    start = f"{program} start --address={nodes.address} --num-cpus=1 --block --disable-usage-stats"
    script = f"mount -t tmpfs none {tmp_path} && exec {start}"
    log = tmp_path / "node.log"
    with log.open("wb") as output:
        joined = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", script],
            stdout=output,
            stderr=output,
            cwd="/",
            env=os.environ | PATIENT,
        )
    while "Ray runtime started" not in log.read_text():
        assert joined.poll() is None, log.read_text()
        time.sleep(0.1)
    yield log
    joined.terminate()
    joined.wait()


def test_a_task_in_a_file_runs_where_the_file_is_not(
    home: Path, nodes: Cluster, blind: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    (home / "helper.py").write_text("from stripes import task as original\n")
    (home / "mine.py").write_text(
        "from helper import original\n\n\ndef task():\n    return original()\n"
    )
    line = "launch mine.py:task --run new --trials 3 --objectives accuracy,params --json"
    process = start(
        *line.split(), "--executor", "ray", "--workers", "1", "--address", nodes.address
    )
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert json.loads(out)["trials"]["complete"] == 3
    assert verify_run(home / "new").faults == ()
    assert len(Study.open(home / "new").finished()) == 3
    assert not list((home / "new" / "logs").glob("ray-*"))  # no worker saw the folder
