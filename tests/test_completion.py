"""Completion in shells: fast, and of values too."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def complete(line: str) -> list[str]:
    """What a shell would be offered at the end of a line."""
    count = len(line.split()) - (not line.endswith(" "))
    asked = {"_HIERPRUNE_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(count)}
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "hierprune"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | asked,
    )
    imported = {row.rpartition("|")[2].strip() for row in ended.stderr.splitlines()}
    assert "click" in imported
    assert not imported & {"torch", "numpy", "optuna", "rich", "pandas"}
    return [row.partition(",")[2] for row in ended.stdout.splitlines()]


def test_commands_options_and_values_are_completed() -> None:
    assert complete("hierprune lau") == ["launch"]
    assert complete("hierprune launch --gran") == ["--granularity"]
    assert complete("hierprune launch lenet5-m") == ["lenet5-mnist"]
    assert complete("hierprune launch x --granularity channel,we") == ["channel,weight"]
    assert complete("hierprune launch my_t") == ["my_t"]  # left to the shell, as a file


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_script_asks_hierprune(shell: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "hierprune", "completion", shell],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"_HIERPRUNE_COMPLETE={shell}_complete" in ended.stdout


def test_bash_takes_the_script() -> None:
    script = f'eval "$({sys.executable} -m hierprune completion bash)"; complete -p hierprune'
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert "_hierprune_completion" in ended.stdout
