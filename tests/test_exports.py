"""What the package shows: its public names, their documentation, and how light it starts."""

from __future__ import annotations

import inspect
import subprocess
import sys

import click
import pytest

import hierprune
from hierprune.cli import cli

PUBLIC = [
    "Limits",
    "Metric",
    "NoModelError",
    "Picked",
    "PrunedModel",
    "Study",
    "Task",
    "Training",
    "UsageError",
    "accuracy",
    "export",
    "inspect",
    "launch",
    "load",
    "prune",
    "prune_task",
    "resume",
]
COMMANDS = {
    "doctor",
    "export",
    "front",
    "inspect",
    "launch",
    "pick",
    "report",
    "resume",
    "tasks",
    "verify",
}
HEAVY = ("torch", "optuna", "ray", "numpy", "pandas", "plotly")


def test_the_public_names_are_these() -> None:
    assert hierprune.__all__ == PUBLIC
    assert dir(hierprune) == sorted([*PUBLIC, "__version__"])
    assert set(hierprune._HOME) == set(PUBLIC)


def test_a_missing_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lunch'"):
        hierprune.lunch  # noqa: B018


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_and_their_methods_are_documented(name: str) -> None:
    thing = getattr(hierprune, name)
    assert thing.__doc__
    methods = vars(thing).items() if inspect.isclass(thing) else ()
    for method, value in methods:
        if not method.startswith("_") and (callable(value) or isinstance(value, property)):
            assert value.__doc__, f"{name}.{method}"


def test_commands_and_their_options_are_documented() -> None:
    assert set(cli.commands) >= COMMANDS
    for command in cli.commands.values():
        assert command.help
        for option in command.params:
            assert isinstance(option, click.Argument) or option.help


@pytest.mark.parametrize(
    "what", ["import hierprune", "hierprune --help", "hierprune launch --help"]
)
def test_starting_imports_nothing_heavy(what: str) -> None:
    arguments = what.split()[1:]
    call = f"hierprune.cli.run({arguments!r})" if what.startswith("hierprune") else ""
    code = (
        f"import sys, hierprune, hierprune.cli\n{call}\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr.strip() == "[]"
    assert ended.stdout.startswith("Usage: hierprune") == bool(call)


def test_the_module_runs_as_the_command() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "hierprune", "--version"], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip().endswith(hierprune.__version__)
