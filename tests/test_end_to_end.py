"""The jobs of the command line, from a task file to a model that runs elsewhere."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

import hierprune.terminal.tables
from hierprune.objectives.base import measure_quality
from hierprune.pruners.plan import PruningPlan
from hierprune.pruners.prune import apply_plan
from hierprune.pruners.surgery import cut, mask
from hierprune.studies.study import Study
from hierprune.task import forward

Command = Callable[..., Any]
Start = Callable[..., "subprocess.Popen[str]"]
LAUNCH = (
    "launch stripes.py:task --run new --workers 0 --objectives accuracy,params --strategy random"
)
FRONT_KEYS = {
    *("run", "task", "data", "objectives", "dense", "trials", "hypervolume", "front"),
    *("stopped", "agreement", "scored_on"),
}
MODEL_KEYS = {"trial", "rung", "values", "interval", "within_noise_of", "plan", "seconds"}


def launch(command: Command, *options: str) -> Any:
    ended = command(*LAUNCH.split(), "--json", *options)
    assert ended.code == 0, ended.err
    return ended.json


def plans(folder: Path) -> list[PruningPlan]:
    return [PruningPlan.from_json(t.user_attrs["plan"]) for t in Study.open(folder).frozen()]


def test_launch_prints_one_document_and_tells_its_progress_on_stderr(
    home: Path, command: Command
) -> None:
    ended = command(*LAUNCH.split(), "--trials", "3", "--json")
    assert ended.code == 0
    found = ended.json
    assert set(found) == FRONT_KEYS
    assert all(set(model) == MODEL_KEYS for model in found["front"])
    assert found["trials"] == {
        "complete": 3,
        "failed": 0,
        "running": 0,
        "waiting": 0,
        "rungs": [3],
    }
    assert [o["name"] for o in found["objectives"]] == ["accuracy", "params"]
    assert all(set(o) == {"name", "unit", "direction"} for o in found["objectives"])
    assert {"accuracy", "params", "macs", "loss", "compression"} <= set(found["dense"])
    assert "3 of 3 plans, front" in ended.err
    assert "Warning" not in ended.err


def test_front_agrees_with_itself_in_all_forms(study: Path, command: Command) -> None:
    found = command("front", "study", "--json").json
    table = pd.read_csv(io.StringIO(command("front", "study", "--csv").out))
    text = command("front", "study").out
    numbers = [model["trial"] for model in found["front"]]
    assert list(table["trial"]) == numbers
    assert list(table["params"]) == [model["values"]["params"] for model in found["front"]]
    first_words = [line.split()[0] for line in text.splitlines() if line.strip()]
    rows = first_words[first_words.index("dense") :]
    assert rows == ["dense", *map(str, numbers)]


@pytest.mark.parametrize("width", [80, 140])
def test_the_front_fits_the_terminal(
    width: int, study: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hierprune.terminal.tables, "out", Console(highlight=False, width=width))
    text = command("front", "study").out
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert "params" in text
    assert "macs" in text


def test_numbers_stay_whole_in_a_terminal_that_is_too_narrow(
    study: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = command("front", "study").out
    monkeypatch.setattr(hierprune.terminal.tables, "out", Console(highlight=False, width=30))
    narrow = command("front", "study").out
    assert set() < numbers(narrow) <= numbers(wide)


def numbers(table: str) -> set[str]:
    return set(re.findall(r"\d\.\d{3,}", table.partition("dense")[2]))


def test_pick_takes_what_it_is_asked_for(study: Path, command: Command) -> None:
    front = command("front", "study", "--json").json["front"]
    values = {m["trial"]: m["values"] for m in front}
    smallest = min(values, key=lambda t: values[t]["params"])
    best = max(values, key=lambda t: values[t]["accuracy"])
    assert command("pick", "study", "--prefer", "params", "--json").json["trial"] == smallest
    assert command("pick", "study", "--prefer", "accuracy", "--json").json["trial"] == best
    assert command("pick", "study", "--trial", "2", "--json").json["trial"] == 2
    bound = f"accuracy >= {values[best]['accuracy']}"
    kept = command("pick", "study", "--where", bound, "--prefer", "params", "--json").json
    assert kept["values"]["accuracy"] >= values[best]["accuracy"]
    knee = command("pick", "study", "--json").json
    assert set(knee) == {"trial", "out", "values", "test", "dense_test", "plan"}
    assert knee["trial"] in values
    assert knee["out"] is None


def test_pick_says_what_came_nearest(study: Path, command: Command) -> None:
    where = ("--where", "accuracy > dense + 1", "--where", "params <= dense")
    ended = command("pick", "study", *where, "--out", "small")
    best = max(r.values["accuracy"] for r in Study.open("study").finished())
    assert ended.code == 3
    assert f"held by 0 of 4, nearest {best:.4g}" in ended.err
    assert "held by 4 of 4" in ended.err
    assert not (study / "small").exists()


def test_a_picked_model_scores_as_its_trial_recorded(study: Path, command: Command) -> None:
    assert command("pick", "study", "--prefer", "params", "--out", "small").code == 0
    opened = Study.open("study")
    picked = opened.pick(prefer="params")
    model = hierprune.load("small")
    assert opened.task is not None
    found = {n: m.value for n, m in measure_quality(model, opened.task, "val").items()}
    assert found == pytest.approx({n: picked.values[n] for n in found}, abs=1e-6)
    inputs = opened.task.example()
    assert torch.equal(forward(model, inputs), forward(picked.model, inputs))


LOAD = """
import json, pickle, sys
import cloudpickle, torch

def refuse(*args, **kwargs):
    raise AssertionError("unpickles")

class Refuse(pickle.Unpickler):  # a class still: torch derives from it when it is imported
    __init__ = refuse

for module in (pickle, cloudpickle):
    module.load = module.loads = refuse
    module.Unpickler = Refuse
torch.load = refuse
import hierprune
from stripes import images

model = hierprune.load("picked")
hits = [model(x).argmax(1) == y for x, y in images(2, 192)]
print(torch.cat(hits).float().mean().item())
"""


def test_a_picked_model_loads_in_a_fresh_process_without_pickle(study: Path) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD], capture_output=True, text=True, check=True, cwd=study
    )
    promised = json.loads((study / "picked" / "plan.json").read_text())["test"]["accuracy"]
    assert float(loaded.stdout) == pytest.approx(promised, abs=1e-6)


def test_verify_tells_a_sound_model_from_a_changed_one(study: Path, command: Command) -> None:
    sound = command("verify", "picked", "--json")
    assert sound.code == 0
    assert sound.json["ok"] is True
    weights = study / "picked" / "model.safetensors"
    save_file({k: torch.zeros_like(v) for k, v in load_file(weights).items()}, weights)
    changed = command("verify", "picked")
    assert changed.code == 1
    assert "NOT" in changed.err


def test_verify_tells_a_sound_run_from_a_changed_one(study: Path, command: Command) -> None:
    sound = command("verify", "study", "--json")
    assert sound.code == 0
    assert sound.json["faults"] == []
    journal = study / "study" / "study.jsonl"
    dense = Study.open("study").record.dense.sha256
    text = journal.read_text().replace(dense, "0" * 64).replace('"params":0.', '"params":0.9')
    journal.write_text(text)
    changed = command("verify", "study", "--json")
    assert changed.code == 1
    assert "trial 0 prunes another dense model" in changed.json["faults"]
    assert any("two values of params" in fault for fault in changed.json["faults"])


@pytest.mark.parametrize("granularity", ["weight", "channel,weight"])
def test_single_weights_are_pruned_and_picked(
    granularity: str, home: Path, command: Command
) -> None:
    launch(command, "--trials", "6", "--granularity", granularity)
    done = plans(home / "new")
    assert {plan.granularity for plan in done} == set(granularity.split(","))
    zeroed = next(n for n, plan in enumerate(done) if plan.granularity == "weight")
    assert command("pick", "new", "--trial", zeroed, "--out", "small").code == 0
    model = hierprune.load("small")
    zeros = sum(int((p == 0).sum()) for p in model.parameters() if p.dim() > 1)
    sizes = sum(p.numel() for p in model.parameters() if p.dim() > 1)
    density = 1 - zeros / sizes
    assert 0 < density < 1
    assert command("verify", "small").code == 0


@pytest.mark.parametrize("space", ["flat", "global"])
def test_the_plain_spaces_have_no_local_choices(space: str, home: Path, command: Command) -> None:
    launch(command, "--trials", "3", "--space", space)
    parameters = {name for t in Study.open("new").frozen() for name in t.params}
    if space == "flat":
        assert parameters == {f"channel.density:{group}" for group in ("0", "4", "9")}
    else:
        assert parameters == {"channel.density"}


def test_the_best_plans_go_up_the_rungs(home: Path, command: Command) -> None:
    found = launch(command, "--trials", "4", "--max-epochs", "4")
    assert found["trials"]["rungs"] == [4, 1, 1]
    tuned = Study.open("new").finished()[-1]
    assert (tuned.rung, tuned.plan["recovery"]["epochs"]) == (2, 4.0)
    picked = Study.open("new").pick(trial=tuned.number)
    assert picked.model is not None
    assert command("pick", "new", "--trial", tuned.number, "--out", "small").code == 0
    task = Study.open("new").journey().task
    found = measure_quality(hierprune.load("small"), task, "val")
    assert found["accuracy"].value == tuned.values["accuracy"]
    assert found["loss"].value == pytest.approx(tuned.values["loss"], rel=1e-5)


def test_resume_adds_what_is_missing_and_nothing_else(study: Path, command: Command) -> None:
    before = {r.number: r for r in Study.open("study").finished()}
    assert command("resume", "study", "--workers", "0", "--json").json["trials"]["complete"] == 4
    more = command("resume", "study", "--trials", "6", "--workers", "0", "--json").json
    assert more["trials"]["complete"] == 6
    after = {r.number: r for r in Study.open("study").finished()}
    assert len(after) == 6
    assert {n: after[n] for n in before} == before


def test_a_study_that_ran_out_of_time_ends_well_and_goes_on(home: Path, command: Command) -> None:
    ended = command(*LAUNCH.split(), "--trials", "200", "--timeout", "0.2s", "--json")
    assert ended.code == 0
    done = ended.json["trials"]["complete"]
    assert done < 200
    assert f"{done} of 200 plans finished; go on with: hierprune resume new" in ended.err
    resumed = command("resume", "new", "--trials", str(done + 1), "--workers", "0", "--json")
    assert resumed.json["trials"]["complete"] == done + 1


def test_a_study_that_has_something_left_to_tune_says_so(home: Path, command: Command) -> None:
    line = f"{LAUNCH} --trials 2 --max-epochs 0.5 --promote 1 --json"
    assert "go on with" not in command(*line.split()).err
    record = Study.open("new").asked
    replace(record, max_epochs=8.0).save(Path("new"))
    ended = command("resume", "new", "--timeout", "0.001s", "--workers", "0", "--json")
    assert ended.code == 0
    assert "2 of 2 plans finished, not all that is to be fine-tuned; go on with" in ended.err


LOADERS = """
from dataclasses import replace

import stripes
from torch.utils.data import DataLoader


def task():
    found = stripes.task()
    val = list(found.batches("val"))
    return replace(found, val=DataLoader(val, batch_size=None, num_workers=1))
"""


def test_loaders_with_processes_of_their_own_work_in_workers(home: Path, command: Command) -> None:
    (home / "loaders.py").write_text(LOADERS)
    line = "launch loaders.py:task --run new --trials 2 --workers 1 --timeout 60s --json"
    assert command(*line.split()).json["trials"]["complete"] == 2


def test_options_come_from_a_file_and_the_command_line_wins(home: Path, command: Command) -> None:
    lines = ("trials = 5", 'objectives = ["accuracy", "macs"]', 'where = "accuracy > 0.1"')
    (home / "c.toml").write_text("\n".join((*lines, "max-density = 0.5")))
    line = "launch stripes.py:task --run new --workers 0 --config c.toml --trials 2"
    ended = command(*line.split(), "--json")
    record = Study.open("new").record
    assert ended.json["trials"]["complete"] == 2
    assert [o.name for o in record.objectives] == ["accuracy", "macs"]
    assert record.where == ("accuracy > 0.1",)
    assert record.space.max_density == 0.5


def test_inspect_shows_groups_and_what_stays_out(home: Path, command: Command) -> None:
    found = command("inspect", "stripes.py:task", "--json").json
    assert found["params"] == 1831
    keys = {"name", "stage", "kind", "units", "params", "macs", "verified"}
    assert all(set(group) == keys for group in found["groups"])
    assert {g["name"]: g["units"] for g in found["groups"]} == {"0": 8, "4": 12, "9": 16}
    assert found["excluded"] == [{"name": "11", "reason": "makes the model's output"}]
    text = command("inspect", "stripes.py:task").out
    assert "1,831 parameters" in text
    assert "not pruned: 11: makes the model's output" in text


def test_every_cut_model_computes_what_the_masked_dense_one_does(study: Path) -> None:
    opened = Study.open("study")
    dense = opened.journey().dense
    inputs, _ = dense.calibration.batches[0]
    compared = 0
    for trial in opened.frozen():
        plan = PruningPlan.from_json(trial.user_attrs["plan"])
        _, kept = apply_plan(dense, plan)
        assert kept.keep is not None
        small = cut(dense.model, dense.tree, kept.keep)
        masked = mask(dense.model, dense.tree, kept.keep)
        with torch.no_grad():
            difference = forward(small.eval(), inputs) - forward(masked.eval(), inputs)
        assert difference.abs().max() <= 1e-5
        compared += 1
    assert compared == 4


def test_report_writes_one_page(study: Path, command: Command) -> None:
    ended = command("report", "study")
    assert ended.code == 0
    assert "wrote study/report.html" in ended.err
    page = (study / "study" / "report.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "toy" in page
    assert command("report", "study", "--out", "page.html").code == 0
    assert (study / "page.html").exists()


NEIGHBOURS = {
    "search.py": "WIDTH = 16\n",
    "objectives.py": "def hits(outputs, targets):\n    return outputs.argmax(1) == targets\n",
    "pruners.py": "from search import WIDTH\n",
    "studies.py": "import pruners\nNAME = f'mine-{pruners.WIDTH}'\n",
}


def test_the_users_own_modules_may_be_called_like_ours(home: Path) -> None:
    for name, text in NEIGHBOURS.items():
        (home / name).write_text(text)
    (home / "mine.py").write_text(
        "import dataclasses\nimport objectives, studies, stripes\n\n\n"
        "def task():\n"
        "    return dataclasses.replace(\n"
        "        stripes.task(), name=studies.NAME, metrics={'hits': objectives.hits}\n"
        "    )\n"
    )
    line = "launch mine.py:task --run new --workers 2 --trials 4 --objectives hits,params --json"
    ended = subprocess.run(
        [sys.executable, "-m", "hierprune", *line.split()],
        capture_output=True,
        text=True,
        cwd=home,
        env=dict(os.environ),
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["task"] == "mine-16"
    assert found["trials"]["complete"] == 4
    assert len(list((home / "new" / "logs").glob("worker-*.log"))) == 2
