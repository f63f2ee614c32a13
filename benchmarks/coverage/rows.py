"""The results as lines of a file, written as they come: a run that was stopped goes on."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from .measure import Row


def code_version() -> str:
    """A short hash of the code that is measured: tracing, checking and cutting."""
    measured = {n: m for n, m in sys.modules.items() if n.startswith("hierprune.pruners")}
    digest = hashlib.sha256()
    for _, module in sorted(measured.items()):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:12]


def read(file: Path) -> dict[tuple[str, str], tuple[Row, str]]:
    """The last row of every model with the code that it was measured on, by suite and name."""
    found = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        data = json.loads(line)
        code = data.pop("code")
        found[data["suite"], data["name"]] = (Row(**data), code)
    return found


def append(file: Path, row: Row, code: str) -> None:
    """Write one row behind the others."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as lines:
        lines.write(json.dumps({**asdict(row), "code": code}) + "\n")


def table(rows: Iterable[Row]) -> str:
    """The shares of models that pass per suite, then every model that does not, in Markdown."""
    rows = list(rows)
    lines = [
        "| suite | models | pruned and exact | wrong or crashing | Torch-Pruning | CPU s |",
        "|---|---|---|---|---|---|",
    ]
    for suite in dict.fromkeys(r.suite for r in rows):
        own = [r for r in rows if r.suite == suite]
        ours, theirs = sum(r.passes for r in own), sum(r.rival_passes for r in own)
        wrong = sum(r.wrong for r in own)
        lines.append(
            f"| {suite} | {len(own)} | {ours} ({ours / len(own):.1%}) | {wrong} | "
            f"{theirs} ({theirs / len(own):.1%}) | {sum(r.seconds for r in own):.0f} |"
        )
    lines += ["", "| not pruned | share removed | why |", "|---|---|---|"]
    lines += [
        f"| {r.suite}: {r.name} | {r.removed:.2f} | {r.fault or r.reason} |"
        for r in rows
        if not r.passes
    ]
    return "\n".join(lines)
