"""The schema of config files."""

from __future__ import annotations

import json
from pathlib import Path

import click
from jsonschema import Draft202012Validator

from hierprune.cli import launch
from hierprune.config import options_of, schema_of

PUBLISHED = Path(__file__).parents[1] / "docs" / "launch.schema.json"


def test_the_published_schema_is_that_of_the_command() -> None:
    """Written by ``hierprune schema > docs/launch.schema.json``."""
    assert json.loads(PUBLISHED.read_text()) == schema_of(launch)


def test_defaults_are_what_the_schema_allows() -> None:
    schema = schema_of(launch)
    Draft202012Validator.check_schema(schema)
    defaults = {n: o.default for n, o in options_of(launch).items() if given(o)}
    assert {"trials", "granularity", "max-density"} <= set(defaults)
    assert list(Draft202012Validator(schema).iter_errors(defaults)) == []


def given(option: click.Option) -> bool:
    return isinstance(option.default, str | int | float)
