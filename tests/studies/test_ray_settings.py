"""Settings for a while, and a secret where the user has none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hierprune.studies.ray_settings import environment, token


def test_variables_are_set_for_a_while_and_the_users_own_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HP_OWN", "mine")
    monkeypatch.delenv("HP_NEW", raising=False)
    with environment({"HP_OWN": "ours", "HP_NEW": "1"}):
        assert (os.environ["HP_OWN"], os.environ["HP_NEW"]) == ("mine", "1")
    assert os.environ["HP_OWN"] == "mine"
    assert "HP_NEW" not in os.environ


def test_every_cluster_has_a_secret_of_its_own_unless_the_user_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    first, second = token()["RAY_AUTH_TOKEN"], token()["RAY_AUTH_TOKEN"]
    assert first != second
    assert len(first) >= 32
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("theirs")
    assert token() == {}
