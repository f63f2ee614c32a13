"""Settings for a while, and a secret where the user has none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hierprune.studies.ray_settings import environment, patiently, token

WAIT = "RAY_gcs_server_port_wait_time_s"


def test_variables_are_set_for_a_while_and_the_users_own_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HP_OWN", "mine")
    monkeypatch.delenv("HP_NEW", raising=False)
    with environment({"HP_OWN": "ours", "HP_NEW": "1"}):
        assert (os.environ["HP_OWN"], os.environ["HP_NEW"]) == ("mine", "1")
    assert os.environ["HP_OWN"] == "mine"
    assert "HP_NEW" not in os.environ


def test_a_process_has_one_secret_unless_the_user_has_his_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = token.__wrapped__
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    assert token() is token()
    assert len(fresh()["RAY_AUTH_TOKEN"]) >= 32
    assert fresh() != fresh()
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("theirs")
    assert fresh() == {}


def test_a_start_that_failed_is_undone_and_repeated() -> None:
    done: list[str] = []

    def start() -> int:
        done.append(os.environ[WAIT])
        if "undone" not in done:
            raise TimeoutError("too slow")
        return 7

    assert patiently(start, lambda: done.append("undone")) == 7
    assert done == ["120", "undone", "120"]


def test_a_start_that_always_fails_is_one_error() -> None:
    def start() -> None:
        raise TimeoutError("too slow")

    undone: list[int] = []
    with pytest.raises(RuntimeError, match=r"tried 3 times: too slow\. --executor local needs no"):
        patiently(start, lambda: undone.append(1))
    assert len(undone) == 3
    assert WAIT not in os.environ
