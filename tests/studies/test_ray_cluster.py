"""What is seen before a cluster is started or joined."""

from __future__ import annotations

import socket

import pytest
import torch

from hierprune.errors import UsageError
from hierprune.studies.ray_cluster import check_private, connect, words


@pytest.fixture(autouse=True)
def _two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_what_a_machine_has_is_accepted() -> None:
    for asked in ({"cpu": 1000, "gpu": 2}, {"gpu": 0.5, "memory": 1e9}):
        check_private(asked)


@pytest.mark.parametrize("asked", [{"gpu": 3}, {"cpu": 1, "bigmem": 1}])
def test_what_it_does_not_have_is_a_usage_error(asked: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"takes {words(asked)}, which this machine does not"):
        check_private(asked)


def test_an_address_where_nobody_listens_is_a_usage_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UsageError, match="nobody answers at '127"):
            connect(address)
