"""Makes what tests share importable, and the toy study of ``benchmarks/cluster`` in workers too."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

CLUSTER = Path(__file__).parents[2] / "benchmarks" / "cluster"
for folder in (CLUSTER, Path(__file__).parent):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


@pytest.fixture(autouse=True)
def _same_path() -> Iterator[None]:
    """Folders of task files stay on the path as long as their test: workers inherit it."""
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.fixture(scope="module")
def _ray_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Of the modules that run beside each other, one at a time has Ray clusters."""
    with FileLock(tmp_path_factory.getbasetemp().parent / "ray.lock"):
        yield
