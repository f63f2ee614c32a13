"""Two models side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hierprune.studies.compare import compare


def test_a_trial_agrees_with_the_folder_that_was_picked_from_it(study: Path) -> None:
    trial = json.loads((study / "picked" / "plan.json").read_text())["trial"]
    found = compare("picked", f"study:{trial}")
    validation = [row for row in found.scores() if not row.name.endswith(", test")]
    assert {row.name for row in validation} >= {"accuracy", "params", "loss"}
    assert all(row.difference == 0 for row in validation)
    assert all(row.difference == 0 for row in found.densities())
    assert all(a == b for _, a, b in found.decisions())
    assert found.same_dense


def test_the_command_prints_both_forms(study: Path, command: Any) -> None:
    found = command("compare", "study:0", "study:1", "--json").json
    values = found["a"]["values"]["params"], found["b"]["values"]["params"]
    assert found["difference"]["params"] == values[1] - values[0]
    ended = command("compare", "study:0", "study:1")
    assert ended.code == 0
    for part in ("study:0", "study:1", "accuracy", "±", "removed", "█"):
        assert part in ended.out


def test_other_dense_weights_are_said(study: Path, command: Any) -> None:
    file = study / "picked" / "plan.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"dense_sha256": "0" * 64}))
    assert "not pruned from the same dense weights" in command("compare", "picked", "study:0").err


def test_a_folder_without_scores_can_be_compared(study: Path) -> None:
    file = study / "picked" / "plan.json"
    data = json.loads(file.read_text())
    for key in ("values", "interval", "dense", "dense_test"):
        del data[key]
    file.write_text(json.dumps(data))
    found = compare("picked", "study:0")
    assert {row.difference for row in found.scores()} == {None}
