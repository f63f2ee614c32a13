"""Rungs that train by a schedule and a recipe: searched, kept, rebuilt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import hierprune
from hierprune.objectives.packing import load_state

Command = Callable[..., Any]


def searched(granularity: str, **options: Any) -> hierprune.Study:
    """A study of four plans, the best of which is trained."""
    return hierprune.launch(
        "stripes.py:task",
        "run",
        trials=4,
        objectives=("accuracy", "params"),
        granularity=granularity,
        strategy="random",
        workers=0,
        **options,
    )


@pytest.mark.parametrize("granularity", ["channel", "weight"])
def test_a_plan_pruned_while_it_trains_is_rebuilt_as_it_was(
    granularity: str, home: Path, command: Command
) -> None:
    study = searched(granularity, max_epochs=1, schedule="gradual", lr="1e-3..1e-2")
    (best,) = (r for r in study.finished() if r.rung == 1)
    assert best.plan["recovery"]["schedule"] == "gradual"
    assert best.plan["recovery"]["lr"] == pytest.approx(10**-2.5)
    kept = study.pick(trial=best.number)
    assert kept.values == best.values
    folder = Path(f"run/trials/{best.number}")
    written = load_state(folder / "model.safetensors")
    assert all(torch.equal(kept.model.state_dict()[k], v) for k, v in written.items())
    whole = hierprune.prune_task(
        "stripes.py:task",
        "alone",
        plan=saved(kept.plan.to_json()),
        schedule="gradual",
        epochs=1,
        lr=best.plan["recovery"]["lr"],
    )
    assert whole.values["loss"] == pytest.approx(best.values["loss"], rel=1e-4)
    shutil.rmtree(folder)
    again = study.pick(trial=best.number)
    assert again.test == kept.test
    again.save("picked")
    assert command("verify", "picked").code == 0
    assert command("verify", "run").code == 0
    assert "pruned meanwhile (gradual)" in Path("picked/card.md").read_text()


def saved(plan: dict[str, Any]) -> Path:
    """A plan as a file."""
    Path("plan.json").write_text(json.dumps(plan))
    return Path("plan.json")


def test_damaged_units_are_found_by_training_again(home: Path) -> None:
    study = searched("channel", max_epochs=0.5, schedule="gradual")
    (best,) = (r for r in study.finished() if r.rung == 1)
    kept = study.pick(trial=best.number).test
    Path(f"run/trials/{best.number}/units.json").write_text("{")
    assert study.pick(trial=best.number).test == kept


def test_rungs_above_start_anew_under_a_schedule(home: Path) -> None:
    study = searched("channel", max_epochs=4, schedule="iterative", lr=3e-3)
    rungs = {r.rung: r for r in study.finished()}
    assert rungs.keys() == {0, 1, 2}
    assert rungs[2].plan["recovery"]["epochs"] == 4
    picked = study.pick(trial=rungs[2].number)
    assert picked.values == rungs[2].values
    assert set(rungs[2].seconds) == {"train", "measure"}


def test_as_many_are_trained_as_was_asked_for(home: Path, command: Command) -> None:
    study = searched("channel", max_epochs=0.1, promote=0.5)
    plans = [r for r in study.finished() if r.rung == 0]
    assert len([r for r in study.finished() if r.rung == 1]) == len(plans) // 2
    assert command("verify", "run").code == 0


def test_a_stopped_search_goes_on_with_its_recipes(home: Path, command: Command) -> None:
    study = searched("channel", max_epochs=0.5, lr=(1e-3, 1e-2), distil="0..0.5")
    before = [r.plan for r in study.finished()]
    study = hierprune.resume("run", trials=22, workers=0)
    trained = [r for r in study.finished() if r.rung == 1]
    assert [r.plan for r in study.finished()][: len(before)] == before
    assert len(trained) >= 2
    assert all(r.plan["recovery"]["lr"] in (1e-3, 1e-2) for r in trained)
    assert len({r.plan["recovery"]["distil"] for r in trained}) == len(trained)
    assert "distil" in json.loads(Path("run/run.json").read_text())["recipes"]
    assert command("front", "run").code == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--lr 1e-4..3e-3", "add --max-epochs"),
        ("--schedule gradual", "add --max-epochs"),
        ("--lr fast --max-epochs 1", "no number"),
        ("--lr 3e-3..1e-4 --max-epochs 1", "a range goes from"),
        ("--lr 0..1e-3 --max-epochs 1", "learning rates must be above 0"),
        ("--distil 0,2 --max-epochs 1", "distil must be in [0, 1]"),
        ("--schedule gradual,gradul --max-epochs 1", "did you mean 'gradual'"),
        ("--schedule gradul --max-epochs 1", "did you mean 'gradual'"),
    ],
)
def test_what_cannot_work_is_said(options: str, says: str, home: Path, command: Command) -> None:
    ended = command("launch", "stripes.py:task", "--run", "run", *options.split())
    assert ended.code == 2
    assert says in ended.err
    assert not Path("run").exists()
