"""The command line: launch, resume, pick, and what helps to decide.

Nothing heavy is imported before it is needed, so that ``--help`` answers at once.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType

import click

from . import __version__
from .commands.exits import exit_code
from .commands.model import compare, export, pick, prune, verify
from .commands.study import confirm, front, launch, report, resume, watch
from .commands.task import init, inspect, tasks


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, package_name="hierprune")
@click.option("--debug", is_flag=True, help="Show Python tracebacks.")
def cli(debug: bool) -> None:
    """Search for smaller, faster versions of a trained PyTorch model.

    hierprune tries plans (what to prune where, and how to recover), scores each on accuracy,
    measured latency and real compression, survives crashes, and hands back the Pareto front.

    \b
    Three jobs:
      hierprune launch lenet5-mnist --run runs/first --trials 60
      hierprune resume runs/first
      hierprune pick   runs/first --where "accuracy >= dense - 0.003" --out picked
    """


@cli.command()
def schema() -> None:
    """Print the JSON schema of the files that 'launch --config' takes."""
    import json

    from .config import schema_of

    click.echo(json.dumps(schema_of(launch), indent=1))


@cli.command()
@click.argument("shell", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that completes commands and options in SHELL: bash, zsh or fish.

    \b
    Examples:
      hierprune completion bash > ~/.local/share/bash-completion/completions/hierprune
      hierprune completion zsh  > "${fpath[1]}/_hierprune"
      hierprune completion fish > ~/.config/fish/completions/hierprune.fish
    """
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(cli, {}, "hierprune", "_HIERPRUNE_COMPLETE").source())


@cli.command()
def doctor() -> None:
    """Show versions, cores, caches and optional parts."""
    from .terminal.doctor import show_doctor

    show_doctor()


for command in (
    *(launch, resume, watch, front, confirm, report),
    *(pick, compare, prune, verify, export),
    *(init, inspect, tasks),
):
    cli.add_command(command)


def main() -> None:
    """Entry point of the ``hierprune`` command: exit codes instead of tracebacks."""
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, interrupt)
    sys.exit(run(sys.argv[1:]))


def interrupt(number: int, frame: FrameType | None) -> None:
    """End as Ctrl-C does, where a study does not stop more gently."""
    raise KeyboardInterrupt(f"stopped by {signal.Signals(number).name}")


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code."""

    def call() -> object:
        return cli.main(list(arguments), prog_name="hierprune", standalone_mode=False)

    return exit_code(call, debug="--debug" in arguments)
