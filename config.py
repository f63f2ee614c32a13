"""Option values from a TOML file: their JSON schema, and errors that say where."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from .errors import UsageError, nearest
from .option_types import duration, names, span

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DRAFT = "https://json-schema.org/draft/2020-12/schema"
SPAN = {"type": ["number", "string", "array"], "items": {"type": "number"}}
WORDS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}


def read_config(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Take option values from a TOML file; those on the command line win.

    Raises:
        UsageError: the file cannot be read, or all that is wrong in it, with lines.
    """
    if value is None:
        return
    try:
        text = Path(value).read_text()
        data = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {value}: {error}") from error
    options = options_of(ctx.command)
    problems = list(problems_in(data, options, ctx))
    if problems:
        lines = "\n".join(f"  - {line_of(text, key)}{problem}" for key, problem in problems)
        known = ", ".join(sorted(options))
        raise UsageError(f"{value} cannot be used:\n{lines}\nknown options are {known}")
    found = {key.replace("_", "-"): v for key, v in data.items()}
    ctx.default_map = {str(options[k].name): given(options[k], v) for k, v in found.items()}


def options_of(command: click.Command) -> dict[str, click.Option]:
    """The options that a file may set, by name."""
    options = [o for o in command.params if isinstance(o, click.Option)]
    return {o.opts[-1].lstrip("-"): o for o in options if o.name != "config"}


def problems_in(
    data: Mapping[str, Any], options: Mapping[str, click.Option], ctx: click.Context
) -> Iterator[tuple[str, str]]:
    """Every key that cannot be used, and why."""
    from jsonschema import Draft202012Validator

    for key, value in data.items():
        option = options.get(key.replace("_", "-"))
        if option is None:
            yield key, f"no option {key!r}{nearest(key, options)}"
        elif list(Draft202012Validator(schema_of_option(option)).iter_errors(value)):
            yield key, f"{key} cannot be {value!r}: it takes {kind(option)}"
        else:
            try:
                for one in value if isinstance(value, list) and option.multiple else [value]:
                    option.type.convert(one, option, ctx)
            except click.BadParameter as error:
                yield key, f"{key} cannot be {value!r}: {error.message}"


def given(option: click.Option, value: Any) -> Any:
    """A value as click takes it for a default."""
    return [value] if option.multiple and isinstance(value, str) else value


def line_of(text: str, key: str) -> str:
    r"""Where a key is set, as the beginning of a message.

    >>> line_of("a = 1\n b=2", "b")
    'line 2: '
    """
    pattern = rf"\s*(?:\[+\s*)?[\"']?{re.escape(key)}[\"']?\s*[=.\]]"
    numbers = (n for n, line in enumerate(text.splitlines(), 1) if re.match(pattern, line))
    found = next(numbers, None)
    return "" if found is None else f"line {found}: "


def schema_of(command: click.Command) -> dict[str, Any]:
    """The JSON schema of a command's files."""
    options = options_of(command)
    return {
        "$schema": DRAFT,
        "title": f"hierprune {command.name} --config",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {"description": option.help, **schema_of_option(option)}
            for name, option in options.items()
        },
    }


def schema_of_option(option: click.Option) -> dict[str, Any]:
    """What one option takes."""
    function = getattr(option.type, "func", None)
    if option.is_flag:
        return {"type": "boolean"}
    if option.multiple or function is names:
        return dict(WORDS)
    if function is span:
        return dict(SPAN)
    if function is duration:
        return {"type": ["string", "number"], "exclusiveMinimum": 0}
    kinds = {"integer": "integer", "integer range": "integer", "float": "number"}
    return {"type": kinds.get(option.type.name, "string")}


def kind(option: click.Option) -> str:
    """What one option takes, in words."""
    schema = schema_of_option(option)
    if schema == WORDS:
        return "a string or a list of strings"
    if schema == SPAN:
        return "a number, a list of numbers, or a range such as '1e-4..3e-3'"
    words = {"boolean": "true or false", "integer": "a whole number", "number": "a number"}
    return words.get(str(schema["type"]), "a string") if len(schema) == 1 else "a time span"


config_option = click.option(
    "--config",
    metavar="FILE.toml",
    is_eager=True,
    expose_value=False,
    callback=read_config,
    help="Options by name; the command line wins. 'hierprune schema' prints what it may hold.",
)
