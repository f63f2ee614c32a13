"""A picked folder holds one model, and says what it misses."""

from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

import hierprune
from hierprune.errors import UsageError
from hierprune.studies.picked import EXPORTS
from hierprune.studies.source import TaskSource
from hierprune.studies.study import Study


def test_a_new_pick_leaves_no_export_of_the_model_before(study: Path) -> None:
    for name in EXPORTS:
        (study / "picked" / name).write_bytes(b"of another model")
    Study.open(study / "study").pick().save(study / "picked")
    assert not [name for name in EXPORTS if (study / "picked" / name).exists()]


def test_a_file_that_the_task_does_not_find_is_named(study: Path) -> None:
    def build_model() -> nn.Module:
        Path("net.pt").read_bytes()
        raise AssertionError

    task = replace(TaskSource.parse("stripes.py:task").load(), build_model=build_model)
    with pytest.raises(UsageError, match=r"reads a file that is not there: net\.pt\. Call it from"):
        hierprune.load(study / "picked", task)
