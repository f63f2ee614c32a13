"""The worked examples at the top of functions hold."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = (
    *("commands", "terminal", "scaffold", "examples"),
    *("studies", "search", "pruners", "objectives", "data"),
)


def modules_with_examples() -> list[str]:
    files = [*ROOT.glob("*.py"), *(f for room in ROOMS for f in (ROOT / room).rglob("*.py"))]
    found = [f for f in files if re.search(r"^\s*>>> ", f.read_text(), re.MULTILINE)]
    return sorted(
        ".".join(("hierprune", *f.relative_to(ROOT).with_suffix("").parts)) for f in found
    )


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_hold(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
