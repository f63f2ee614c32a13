"""Latency on another machine: a plain command that takes an ONNX file and prints milliseconds.

``{file}`` in the command stands for the path of the file; without it the file comes on the
command's standard input, as ``ssh`` wants it::

    ssh board 'cat > /tmp/m.onnx && ./bench /tmp/m.onnx'
    python bench.py {file}

The numbers that the command prints, one or more, are the milliseconds of one forward each.
"""

from __future__ import annotations

import shlex
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..errors import UsageError

FILE = "{file}"
LIMIT = 120.0
"""Seconds that one call may take where nothing else is asked for: sending, loading and running."""


def check(command: str) -> None:
    """See that the command can be read and that its program is there.

    Raises:
        UsageError: it cannot, or is not.
    """
    try:
        program, *_ = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"cannot read the command {command!r}: {error}") from error
    if shutil.which(program) is None:
        raise UsageError(f"there is no program {program!r}, which {command!r} measures with")


def sampler(command: str, content: bytes, limit: float = LIMIT) -> Callable[[], float]:
    """Measures one ONNX file at every call: seconds of a forward, the median of what is printed.

    Args:
        command: see the top of this module.
        content: of the file.
        limit: seconds that one call may take.

    Raises:
        RuntimeError: the command fails, takes longer, or prints no number.
    """

    def sample() -> float:
        with tempfile.TemporaryDirectory(prefix="hierprune-") as folder:
            file = Path(folder) / "model.onnx"
            file.write_bytes(content)
            return call(command, file, limit) / 1000

    return sample


def call(command: str, file: Path, limit: float) -> float:
    """Milliseconds that the command found for the file."""
    arguments = [part.replace(FILE, str(file)) for part in shlex.split(command)]
    try:
        with file.open("rb") as content:
            ended = subprocess.run(
                arguments, stdin=content, capture_output=True, text=True, timeout=limit, check=False
            )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(
            f"the command that measures, {command!r}, took longer than {limit:g} s for one call; "
            f"give it more with --command-timeout, or have it run fewer forwards"
        ) from error
    except OSError as error:
        raise RuntimeError(f"the command that measures, {command!r}, failed: {error}") from error
    if ended.returncode:
        said = (ended.stderr or ended.stdout).strip().splitlines()[-1:] or ["nothing"]
        raise RuntimeError(
            f"the command that measures, {command!r}, ended with {ended.returncode}: {said[0]}"
        )
    return milliseconds(command, ended.stdout)


def milliseconds(command: str, text: str) -> float:
    r"""The median of the numbers in a text of nothing else.

    >>> milliseconds("bench", "1.5 2.5\n9.0\n")
    2.5
    """
    try:
        found = [float(word) for word in text.split()]
    except ValueError:
        found = []
    if not found or not all(0 < ms < float("inf") for ms in found):
        raise RuntimeError(
            f"the command that measures, {command!r}, must print milliseconds, got {text[:100]!r}"
        )
    return statistics.median(found)
