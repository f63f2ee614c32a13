"""A study in a database is found by its name, from wherever and however its folder is called."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import torch
from torch import nn

import hierprune
from hierprune.errors import UsageError
from hierprune.studies.begin import prepare_study
from hierprune.studies.book import Book
from hierprune.studies.follow import opened
from hierprune.studies.pending import Pending
from hierprune.studies.progress import Silent
from hierprune.studies.repair import repair_run
from hierprune.studies.request import Request
from hierprune.studies.run_record import RunRecord
from hierprune.studies.storage import open_storage
from hierprune.studies.study import Study


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a prepared study ``run`` and its database ``shared.db``."""
    folder = tmp_path_factory.mktemp("prepared")
    x = torch.randn(96, 6, generator=torch.Generator().manual_seed(1))
    batches = [(x, model()(x).argmax(1))]
    task = hierprune.Task("mlp", model, batches, batches, batches)
    url = f"sqlite:///{folder}/shared.db"
    request = Request(objectives=("loss", "params"), strategy="random", storage=url)
    (folder / "run").mkdir()
    prepare_study(folder / "run", Pending(None, request), task, Silent())
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the working directory; a note is kept with its study."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    change(tmp_path / "run", storage=f"sqlite:///{tmp_path}/shared.db")
    monkeypatch.chdir(tmp_path)
    run = Path("run")
    record = RunRecord.load(run)
    book = Book(open_storage(run, record.storage), record.name_at(run), record.directions)
    book.note("mark", "found")
    return tmp_path


def change(run: Path, **fields: str | None) -> None:
    """Write other values into ``run.json``; ``None`` takes a field away."""
    data = json.loads((run / "run.json").read_text()) | fields
    kept = {k: v for k, v in data.items() if k not in fields or v is not None}
    (run / "run.json").write_text(json.dumps(kept))


def names(folder: Path) -> list[str]:
    """Of all studies in the database."""
    with closing(sqlite3.connect(folder / "shared.db")) as database:
        return [name for (name,) in database.execute("select study_name from studies")]


def is_found(run: str) -> bool:
    return Study.open(run)._book.study.user_attrs.get("mark") == "found"


def test_by_a_name_that_is_kept_from_any_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert RunRecord.load(Path("run")).study in names(folder)
    Path("run").rename("moved")
    assert is_found("moved")
    monkeypatch.chdir("moved")
    assert is_found(".")
    assert opened(Path()) is not None
    assert len(names(folder)) == 1


def test_of_an_earlier_version_from_within_its_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(Path("run"), study=None)
    assert is_found("run")
    monkeypatch.chdir("run")
    assert is_found(".")
    assert len(names(folder)) == 1


def test_a_name_that_the_database_does_not_know_is_an_error(folder: Path) -> None:
    change(Path("run"), study=None)
    Path("run").rename("moved")
    missing = r"no study 'moved-.*' in sqlite:///.*shared.db; give the folder moved back the name"
    for look in (Study.open, repair_run, opened):
        with pytest.raises(UsageError, match=missing):
            look(Path("moved"))
    assert len(names(folder)) == 1


def test_a_database_that_is_gone_is_an_error(folder: Path) -> None:
    for file in folder.glob("shared.db*"):
        file.unlink()
    with pytest.raises(UsageError, match=r"no study 'run-.*bring back the database"):
        Study.open("run")
    assert names(folder) == []
