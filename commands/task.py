"""Commands for a task: write a first one, look into it, list those that are there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..arguments import json_option, stacked, task_argument, task_options, words
from ..errors import UsageError
from ..option_types import names

init_options = stacked(
    click.option(
        "--model",
        metavar="PLACE",
        help="FILE.py:NAME or PACKAGE.MODULE:NAME of a class, a function or a module.",
    ),
    click.option(
        "--arg",
        "arguments",
        multiple=True,
        metavar="KEY=VALUE",
        help="Argument of the model's class or function. Repeatable.",
    ),
    click.option(
        "--weights",
        type=click.Path(path_type=Path),
        help="File of trained weights: .pt or .safetensors.",
    ),
    click.option(
        "--epochs",
        type=click.IntRange(0),
        help="Train the model first, so long. [10 without --weights; 0: it comes trained]",
    ),
    click.option(
        "--data",
        metavar="PATH|PLACE",
        help="A folder of images, a .csv, .npz, .pt or .safetensors file, or the place of a "
        "function that gives (train, val, test).",
    ),
    click.option("--size", type=click.IntRange(1), help="Height and width of images, in pixels."),
    click.option("--target", metavar="NAME", help="Column or tensor to predict. [tensors: y]"),
    click.option("--inputs", type=names, help="Columns or tensor to see. [all others; tensors: x]"),
    click.option(
        "--batch", type=click.IntRange(1), default=64, show_default=True, help="Samples per batch."
    ),
    click.option(
        "--metric",
        metavar="NAME|PLACE",
        default="accuracy",
        show_default=True,
        shell_complete=words("accuracy", "binary-accuracy", "mae", "mse"),
        help="One of accuracy, binary-accuracy, mae, mse, or the place of a function that gives "
        "one value per sample.",
    ),
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        default="my_task.py",
        show_default=True,
        help="File to write; it must not exist.",
    ),
)
"""What a first task file is made of."""


@click.command()
@init_options
def init(model: str | None, data: str | None, out: Path, **options: Any) -> None:
    """Write a first task file for your own model and data.

    The file is commented, yours to edit, and tried before this command ends. What is not given is
    asked for in a terminal. Data may be a folder of images (CLASS/*.png, perhaps below train, val
    and test), a CSV file, a file of named tensors, or a function of yours.

    \b
    Examples:
      hierprune init --model net.py:Net --weights net.pt --data digits.npz
      hierprune init --model net.py:Net --data photos --size 96 --epochs 20
      hierprune init --model train.py:make_net --data train.py:loaders --epochs 0
    """
    from ..scaffold.write import check_new

    check_new(out)
    write_first_task(asked("model", model), asked("data", data), out, options)


def asked(name: str, given: str | None) -> str:
    """An option that is needed: as given, or as answered in a terminal.

    Raises:
        UsageError: it is missing, and nobody can be asked.
    """
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise UsageError(f"--{name} is needed; see 'hierprune init --help'")
    text = {"model": "model, as FILE.py:NAME", "data": "data, a path or FILE.py:FUNCTION"}[name]
    answer: str = click.prompt(text, err=True)
    return answer


def write_first_task(model: str, data: str, out: Path, options: dict[str, Any]) -> None:
    """Write the file; say what to do next, or what is wrong with it (exit code 1)."""
    from ..live import say
    from ..scaffold.sources import Columns
    from ..scaffold.write import Answers, write_task
    from ..studies.source import parse_setting

    given = {name: options.pop(name) for name in ("inputs", "target", "size", "batch")}
    options["arguments"] = dict(map(parse_setting, options["arguments"]))
    if options["epochs"] is None:
        options["epochs"] = 10 if options["weights"] is None else 0
    problem = write_task(Answers(model, data, columns=Columns(**given), **options), out)
    if problem:
        raise RuntimeError(f"wrote {out}, which needs your hand before it runs:\n{problem}")
    say(f"wrote {out}; look at what can be pruned: hierprune inspect {out}:task")


@click.command()
@task_argument
@task_options
@json_option
def inspect(task: str, data_dir: Path | None, settings: Sequence[str], as_json: bool) -> None:
    """Show what can be pruned in TASK's model, and what cannot.

    Stages, layers and groups with their costs; what stays out, and why.

    \b
    Examples:
      hierprune inspect lenet5-mnist
      hierprune inspect my_task.py:task --set width=64
    """
    from ..studies.inspect_task import inspect_task
    from ..studies.source import TaskSource
    from ..terminal.tables import show_json
    from ..terminal.task import show_tree

    found = inspect_task(TaskSource.parse(task, settings, data_dir))
    if as_json:
        show_json(found)
    else:
        show_tree(found)


@click.command()
def tasks() -> None:
    """List the ready-made tasks."""
    from ..terminal.task import show_tasks

    show_tasks()
