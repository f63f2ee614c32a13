"""What ``--help`` says reads as sentences."""

from __future__ import annotations

import re

import click
import pytest

from hierprune.cli import cli

COMMANDS = {"hierprune": cli, **cli.commands}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_does_in_a_sentence(name: str) -> None:
    first, *rest = (COMMANDS[name].help or "").split("\n\n")
    assert re.fullmatch(r"[A-Z][^.]+\.", " ".join(first.split())), first
    assert all(part.strip() for part in rest)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained_in_a_sentence(name: str) -> None:
    for option in COMMANDS[name].params:
        if isinstance(option, click.Option):
            text = re.sub(r"(\s*\[[^\]]*\])+$", "", option.help or "")
            assert re.match(r"['A-Z0-9]", text), f"{option.opts}: {text!r}"
            assert text.endswith((".", "...")), f"{option.opts}: {text!r}"
            assert len(text.split()) >= 2, f"{option.opts}: {text!r}"


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_that_take_something_show_how(name: str) -> None:
    command = COMMANDS[name]
    if any(isinstance(p, click.Argument) for p in command.params):
        assert f"hierprune {name} " in (command.help or "")
