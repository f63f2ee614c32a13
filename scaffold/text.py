"""The lines of a task file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .metrics import MetricCode
from .places import Place
from .sources import Source


@dataclass(frozen=True)
class Model:
    """How the model is made.

    Attributes:
        place: of a class, a function or a module.
        arguments: of the class or the function, by keyword.
        is_module: whether the place holds one module, to be copied.
        weights: expression for the file of its trained weights.
        epochs: to train for; 0 when it comes trained.
    """

    place: Place
    arguments: Mapping[str, Any]
    is_module: bool
    weights: str | None
    epochs: int

    @property
    def call(self) -> str:
        """The expression that makes a new one."""
        if self.is_module:
            return f"copy.deepcopy({self.place.name})"
        return f"{self.place.name}({', '.join(f'{k}={v!r}' for k, v in self.arguments.items())})"


def task_file(
    name: str, file: str, model: Model, data: Source, metric: MetricCode, own: set[str]
) -> str:
    """The whole file.

    Args:
        name: of the task.
        file: its name, for the examples of its docstring.
        model: see there.
        data: see there.
        metric: see there.
        own: import statements of the user's modules.
    """
    here = "HERE = Path(__file__).parent\n" if data.here or model.weights else ""
    head = "\n".join([docstring(name, file), *imports(model, data, metric, own), "", here])
    blocks = [head, build_model(model), metric.code.strip(), task(name, model, data, metric)]
    return "\n\n\n".join(block.strip() for block in blocks if block) + "\n"


def docstring(name: str, file: str) -> str:
    """What the file is, and the three commands to use it with."""
    return f'''"""The task {name}: what hierprune needs to know of a model and its data.

    hierprune inspect {file}:task
    hierprune launch  {file}:task --run runs/{name} --trials 30
    hierprune pick    runs/{name} --out {name}-small
"""
'''


def imports(model: Model, data: Source, metric: MetricCode, own: set[str]) -> list[str]:
    """Import statements, sorted as formatters like them."""
    here = data.here or model.weights is not None
    standard = ["import copy"] * model.is_module + ["from pathlib import Path"] * here
    readers = [*data.readers, *(["weights"] if model.weights else [])]
    ours = ["import hierprune"]
    if readers:
        ours.append(f"from hierprune.data import {', '.join(sorted(readers))}")
    groups = [standard, ["import torch"] * metric.needs_torch, ours, sorted(own)]
    return "\n\n".join("\n".join(group) for group in groups if group).splitlines()


def build_model(model: Model) -> str:
    """The function that makes the model."""
    what = "with its trained weights" if model.weights else "to be trained"
    if not model.weights and not model.epochs:
        what = "trained"
    lines = [
        "def build_model():",
        f'    """A new model, {what}; called in every process that tries plans."""',
        f"    model = {model.call}",
        *([f"    model.load_state_dict(weights({model.weights}))"] if model.weights else []),
        "    return model",
    ]
    return "\n".join(lines)


def task(name: str, model: Model, data: Source, metric: MetricCode) -> str:
    """The factory."""
    training = f"        training=hierprune.Training(epochs={model.epochs}, lr=1e-3),  # AdamW\n"
    return f'''def task():
    """Three disjoint splits, and how good is good."""
    # {data.note}
    {data.call}
    return hierprune.Task(
        name="{name}",
        build_model=build_model,
        train={data.train},  # calibration, and fine-tuning with --max-epochs
        val={data.val},  # what every plan is scored on
        test={data.test},  # read once, when a model is picked
        {metric.fields}
{training if model.epochs else ""}    )
'''
