import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from hierprune.errors import UsageError
from hierprune.studies.source import READY_MADE, TaskSource, parse_setting
from hierprune.studies.user_code import home_of

TASK = """
import torch
from torch import nn
from hierprune import Task

import objectives, pruners, studies


def toy(width=4, data_dir=None):
    import search  # only now
    words = (objectives.WORD, pruners.WORD, studies.WORD, search.WORD)
    batches = [(torch.zeros(2, 3), torch.zeros(2, dtype=torch.long))]
    return Task("toy", lambda: nn.Linear(3, width), batches, batches, batches,
                data=f"{data_dir} {words}")


def broken(depth):
    values = {}
    return values["nothing"]


def number():
    return 7
"""


def write_folder(folder: Path, word: str) -> Path:
    folder.mkdir()
    for name in ("search", "objectives", "pruners", "studies"):
        (folder / f"{name}.py").write_text(f"WORD = {name + word!r}")
    (folder / "my_task.py").write_text(TASK)
    return folder / "my_task.py"


@pytest.fixture
def task_file(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "user", "!")


def test_file_whose_neighbours_are_called_like_our_rooms(task_file: Path):
    task = TaskSource.parse(f"{task_file}:toy", ["width=7"], "/data").load()
    assert task.build_model().weight.shape == (7, 3)
    assert task.data == "/data ('objectives!', 'pruners!', 'studies!', 'search!')"


def test_two_folders_do_not_mix(task_file: Path, tmp_path: Path):
    other = write_folder(tmp_path / "other", "?")
    for file, mark in ((task_file, "!"), (other, "?"), (task_file, "!")):
        assert f"search{mark}" in TaskSource.parse(f"{file}:toy").load().data


def test_loads_in_another_process_and_folder(task_file: Path, tmp_path: Path):
    source = TaskSource.parse(f"{task_file}:toy", ["width=5"])
    code = (
        "import json, sys\n"
        "from hierprune.studies.source import TaskSource\n"
        "task = TaskSource.from_json(json.loads(sys.argv[1])).load()\n"
        "import hierprune.search, search\n"
        "print(task.build_model().weight.shape[0], task.data, hierprune.search.__doc__)\n"
    )
    words = [sys.executable, "-c", code, json.dumps(source.to_json())]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("5 None ('objectives!', 'pruners!', 'studies!', 'search!')")


def test_relative_path_is_made_absolute(task_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(task_file.parent)
    source = TaskSource.parse("my_task.py:toy", data_dir="data")
    assert source.reference == f"{task_file}:toy"
    assert source.data_dir == str(task_file.parent / "data")


def test_package_reference_from_the_working_directory(
    task_file: Path, monkeypatch: pytest.MonkeyPatch
):
    package = task_file.parent / "own_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "tasks.py").write_text(TASK.replace("import objectives, pruners, studies", ""))
    monkeypatch.chdir(task_file.parent)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(UsageError, match=r"return a hierprune.Task, got int"):
        TaskSource("own_package.tasks:number").load()


def test_stem_of_a_library_leaves_the_library_alone(tmp_path: Path):
    file = tmp_path / "random.py"
    file.write_text(TASK.replace("import objectives, pruners, studies", ""))
    with pytest.raises(UsageError, match="got int"):
        TaskSource.parse(f"{file}:number").load()
    import random

    assert random.random() < 1


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("lenet5-mist", ["did you mean 'lenet5-mnist'"]),
        ("{file}", ["names no factory", ":FACTORY"]),
        ("{file}:tow", ["did you mean 'toy'", "broken, number, toy"]),
        ("{folder}/none.py:toy", ["no such file", "none.py"]),
        ("no_such_package.tasks:toy", ["no module 'no_such_package'"]),
        ("{file}:number", ["must return a hierprune.Task, got int"]),
        ("{file}:broken", ["missing a required argument: 'depth'", "broken(depth)"]),
    ],
)
def test_bad_reference(task_file: Path, reference: str, words: list[str]):
    text = reference.format(file=task_file, folder=task_file.parent)
    with pytest.raises(UsageError) as caught:
        TaskSource.parse(text).load()
    assert all(word in str(caught.value) for word in words)


def test_unknown_argument_names_the_factory_and_its_parameters(task_file: Path):
    with pytest.raises(UsageError, match=r"'height'.*toy\(width=4, data_dir=None\)"):
        TaskSource.parse(f"{task_file}:toy", ["height=3"]).load()


def test_factory_that_raises_shows_the_line(task_file: Path):
    line = TASK.splitlines().index('    return values["nothing"]') + 1
    with pytest.raises(UsageError) as caught:
        TaskSource.parse(f"{task_file}:broken", ["depth=3"]).load()
    message = str(caught.value)
    assert f'my_task.py", line {line}, in broken' in message
    assert message.endswith("KeyError: 'nothing'")
    assert "source.py" not in message


def test_file_that_does_not_compile(tmp_path: Path):
    file = tmp_path / "half_task.py"
    file.write_text("def toy(:\n")
    with pytest.raises(UsageError, match=r"half_task.py(.|\n)*line 1(.|\n)*SyntaxError"):
        TaskSource.parse(f"{file}:toy").load()


@pytest.mark.parametrize("text", ["width", "3=4", "=5", "a b=1"])
def test_setting_that_is_none(text: str):
    with pytest.raises(UsageError, match="KEY=VALUE"):
        parse_setting(text)


def test_json_round_trip():
    source = TaskSource.parse("lenet5-mnist", ["a=[1, 2]", "b=two=three"], os.curdir)
    assert TaskSource.from_json(json.loads(json.dumps(source.to_json()))) == source
    assert source.arguments == {"a": [1, 2], "b": "two=three"}


def test_every_ready_made_name_has_a_factory():
    for name in READY_MADE:
        assert callable(TaskSource(name).factory())


def test_a_module_whose_file_is_no_place_has_no_home():
    module = ModuleType("torch.ops.one.two")
    module.__file__ = "_ops.py"
    assert home_of(module) == ""
