import sys
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import weight_norm

from hierprune.errors import UsageError
from hierprune.objectives import onnx_file, runtime
from hierprune.objectives.runtime import RUNTIMES, Setting
from hierprune.objectives.timing import compare

STAND_IN = """
import sys
import onnxruntime
content = open(sys.argv[1], "rb").read() if len(sys.argv) > 1 else sys.stdin.buffer.read()
session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
print(1.0 + session.get_inputs()[0].shape[0], 9.0, 0.5)
"""


class Two(nn.Module):
    """Takes two tensors, one of which it does not use, by position or by name."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.fc(b)


def setting(name: str, tmp_path: Path) -> Setting:
    if name != "remote":
        return Setting(name)
    (tmp_path / "bench.py").write_text(STAND_IN)
    return Setting(name, command=f"{sys.executable} {tmp_path / 'bench.py'} {{file}}")


@pytest.mark.parametrize("name", [n for n in RUNTIMES if n != "compile"])
def test_every_runtime_times_a_forward(name: str, tmp_path: Path):
    model, x = nn.Linear(4, 2).eval(), torch.randn(3, 4)
    with torch.no_grad():
        seconds = setting(name, tmp_path).prepare(model, x)()()
    assert seconds == 0.004 if name == "remote" else 0 < seconds < 1


@pytest.mark.filterwarnings("ignore:.*weight_norm")
def test_a_model_that_keeps_computed_weights_is_timed():
    model, x = weight_norm(nn.Linear(4, 2)), torch.randn(3, 4)
    model(x)
    assert Setting().prepare(model, x)()() > 0


@pytest.mark.skipif(not runtime.FINE_THREAD_CLOCK, reason="threads' clocks are coarse here")
def test_the_clock_of_one_thread_stands_still_while_others_work():
    cpu = torch.device("cpu")
    assert runtime.timed(lambda: time.sleep(0.05), cpu, threads=1)() < 0.01
    assert runtime.timed(lambda: time.sleep(0.05), cpu, threads=2)() >= 0.05


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_compiler_times_models_of_one_class_and_other_widths():
    x = torch.randn(1, 4)
    for width in (3, 2):
        times = compare(Setting("compile"), nn.Linear(4, width), nn.Linear(4, 4), x, seconds=0.01)
        assert (times > 0).all()


def test_without_a_place_for_the_file_it_comes_on_standard_input(tmp_path: Path):
    (tmp_path / "bench.py").write_text(STAND_IN)
    command = f"{sys.executable} {tmp_path / 'bench.py'}"
    sample = Setting("remote", command=command).prepare(nn.Linear(4, 2), torch.randn(1, 4))()
    assert sample() == 0.002


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("false", "ended with 1: nothing"),
        ("echo fast", "must print milliseconds, got 'fast"),
        ("echo -1", "must print milliseconds"),
    ],
)
def test_a_command_that_fails_says_so(command: str, message: str):
    sample = Setting("remote", command=command).prepare(nn.Linear(4, 2), torch.randn(1, 4))()
    with pytest.raises(RuntimeError, match=message):
        sample()


def test_a_command_that_takes_too_long_says_what_gives_it_more():
    slow = Setting("remote", command="sleep 5", command_timeout=0.1)
    sample = slow.prepare(nn.Linear(4, 2), torch.randn(1, 4))()
    with pytest.raises(RuntimeError, match=r"longer than 0\.1 s for one call.*--command-timeout"):
        sample()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("no-such-program {file}", "no program 'no-such-program'"),
        ("echo 'x", "No closing quotation"),
    ],
)
def test_a_command_that_cannot_run_here_is_refused_at_once(command: str, message: str):
    with pytest.raises(UsageError, match=message):
        Setting("remote", command=command).check_here()


def test_a_missing_package_is_named_where_it_is_needed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(runtime.importlib.util, "find_spec", lambda name: None)
    setting = Setting("onnxruntime")  # of a record that was written elsewhere
    with pytest.raises(UsageError, match=r"needs onnxruntime.*hierprune\[onnx\]"):
        setting.prepare(nn.Linear(4, 2), torch.randn(1, 4))


@pytest.mark.parametrize("names", [False, True])
def test_onnx_takes_inputs_as_the_model_does(names: bool):
    model, a, b = Two().eval(), torch.randn(1, 3), torch.randn(1, 4)
    inputs = {"a": a, "b": b} if names else (a, b)
    content = onnx_file.exported(model, inputs)
    onnx_file.check(model, content, inputs)
    (output,) = onnx_file.session(content, inputs, 1)()
    assert torch.allclose(torch.from_numpy(output), model(a, b), atol=1e-6)


def test_a_file_of_another_model_is_noticed():
    x = torch.randn(1, 4)
    with pytest.raises(UsageError, match="computes something else"):
        onnx_file.check(nn.Linear(4, 2), onnx_file.exported(nn.Linear(4, 2), x), x)


class Odd(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.eigvals(x).real


def test_a_model_that_onnx_cannot_hold_is_a_usage_error():
    with pytest.raises(UsageError, match="measure it with --runtime eager"):
        onnx_file.exported(Odd(), torch.eye(3))


@pytest.mark.parametrize(
    "wrong",
    [
        {"runtime": "onnx"},
        {"threads": 0},
        {"batch": 0},
        {"shape": (3, 0)},
        {"command": "x"},
        {"command_timeout": 0.0},
        {"runtime": "remote"},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]):
    with pytest.raises(UsageError):
        Setting(**wrong)  # type: ignore[arg-type]


def test_a_shape_gives_the_same_noise_every_time():
    setting = Setting(batch=2, shape=(1, 4))
    first, second = setting.inputs(None), setting.inputs(None)  # type: ignore[arg-type]
    assert first.shape == (2, 1, 4)
    assert torch.equal(first, second)
