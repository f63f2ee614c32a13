"""The tutorial, word for word: its files are written, its commands and scripts are run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
MOST_LINES = 25  # of a task file


def blocks() -> list[tuple[str, str]]:
    """Language and content of every code block, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```", TUTORIAL.read_text(), re.MULTILINE | re.DOTALL)


def named(content: str) -> str | None:
    """The file that a block of Python is, by its first line."""
    found = re.match(r"# (\w+\.py)\n", content)
    return found[1] if found else None


def test_the_task_file_is_short() -> None:
    (task,) = (c for _, c in blocks() if named(c) == "my_task.py")
    assert len([line for line in task.splitlines()[1:] if line.strip()]) <= MOST_LINES


@pytest.mark.slow
def test_the_tutorial_ends_with_an_exported_model(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the tutorial's digits come with it")
    pytest.importorskip("onnxruntime", reason="the tutorial exports to ONNX")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for language, content in blocks():
        file = named(content)
        if file is not None:
            (tmp_path / file).write_text(content)
        elif language in ("sh", "python"):
            call = ["sh", "-ec", content] if language == "sh" else [sys.executable, "-c", content]
            ended = subprocess.run(
                call, cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"PATH": path}
            )
            assert ended.returncode == 0, f"{content}\n{ended.stderr}"
    assert (tmp_path / "small" / "model.onnx").is_file()
