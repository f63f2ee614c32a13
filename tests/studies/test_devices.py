from pathlib import Path

import pytest

from hierprune.errors import UsageError
from hierprune.objectives.runtime import Setting
from hierprune.options import request_from
from hierprune.studies.devices import read_device, ready_made


@pytest.mark.parametrize("name", ready_made())
def test_ready_made_profiles_make_a_request(name: str):
    profile = read_device(name)
    request = request_from({"device": name})
    assert request.latency.setting.runtime == profile["runtime"]
    assert request.latency.setting.batch == profile["batch"]
    assert request.where == profile["where"]
    assert request.space.align == profile["align"]


def test_there_are_four():
    assert ready_made() == ["edge-gpu", "microcontroller", "phone-cpu", "server"]


def test_options_win_and_budgets_are_added(tmp_path: Path):
    file = tmp_path / "board.toml"
    file.write_text('runtime = "onnxruntime"\nbatch = 4\nlatency_ms = 2.5\nsize_kb = 1')
    given = {"device": str(file), "batch": 2, "where": ["loss <= 1"]}
    request = request_from(given)
    assert request.latency.setting.batch == 2
    assert request.latency.setting.runtime == "onnxruntime"
    assert request.where == ("loss <= 1", "latency <= 2.5", "size <= 1024.0")
    plain = request_from({"device": "server", "runtime": "eager", "threads": 1, "align": 1})
    assert plain.latency.setting == Setting("eager", 1, 16)
    assert plain.space.align == 1


def test_widths_that_the_runtime_likes_are_looked_for_where_it_has_some():
    assert request_from({"runtime": "onnxruntime"}).space.align == "auto"
    assert request_from({"runtime": "onnxruntime", "align": 1}).space.align == 1
    assert request_from({"runtime": "compile"}).space.align == 1
    assert request_from({}).space.align == 1


@pytest.mark.parametrize(
    "text", ["threads = 'two'", "speed = 3", "latency_ms = 0", "shape = ['a']", "= 1"]
)
def test_a_profile_that_cannot_be_used_says_why(tmp_path: Path, text: str):
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"bad\.toml"):
        read_device(str(file))


def test_unknown_names_list_the_nearest():
    with pytest.raises(UsageError, match="phone-cpu"):
        read_device("phone-gpu")
