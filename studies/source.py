"""Where a task comes from: a ready-made name, a factory in a file, or one in a package.

>>> TaskSource.parse("lenet5-mnist", ["seed=3", "name=x"]).to_json()
{'reference': 'lenet5-mnist', 'arguments': {'seed': 3, 'name': 'x'}, 'data_dir': None}
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UsageError, unknown
from ..task import Task
from .ready_made import READY_MADE
from .user_code import import_file, import_package, running

FORMS = "a ready-made name, FILE.py:FACTORY or PACKAGE.MODULE:FACTORY"


@dataclass(frozen=True)
class TaskSource:
    """How to build a task, as plain data that a worker can follow.

    Attributes:
        reference: a name of :data:`READY_MADE`, ``file.py:factory`` or ``package.module:factory``.
        arguments: of the factory, by keyword; JSON values.
        data_dir: folder of the data, passed to the factory as its argument ``data_dir``.
    """

    reference: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    data_dir: str | None = None

    @classmethod
    def parse(
        cls, reference: str, settings: Sequence[str] = (), data_dir: str | Path | None = None
    ) -> TaskSource:
        """From the words of a command line, with paths made absolute.

        Args:
            reference: see the class.
            settings: ``key=value``, the value JSON or else a string.
            data_dir: see the class.

        Raises:
            UsageError: a setting without ``=``.
        """
        path, colon, factory = reference.rpartition(":")
        if path.endswith(".py"):
            reference = f"{Path(path).resolve()}{colon}{factory}"
        folder = None if data_dir is None else str(Path(data_dir).resolve())
        return cls(reference, dict(map(parse_setting, settings)), folder)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TaskSource:
        """The source that :meth:`to_json` wrote."""
        return cls(**data)

    def load(self) -> Task:
        """Call the factory.

        The folder of a task file stands first on ``sys.path`` from then on, so that its neighbours
        import at any time, whatever they are called.

        Raises:
            UsageError: there is no such factory, it does not take the arguments, it raises, or it
                gives no task.
        """
        factory = self.factory()
        arguments = self.checked_arguments(factory)
        with running(self.reference):
            task = factory(**arguments)
        if not isinstance(task, Task):
            kind = type(task).__name__
            raise UsageError(f"{self.reference} must return a hierprune.Task, got {kind}")
        return task

    def factory(self) -> Callable[..., Any]:
        """The function that the reference names."""
        reference = READY_MADE.get(self.reference, self.reference)
        place, colon, name = reference.rpartition(":")
        if not colon and reference.endswith(".py"):
            raise UsageError(f"{reference} names no factory: write {reference}:FACTORY")
        if not colon:
            raise UsageError(f"{unknown('task', reference, READY_MADE)}; a task is {FORMS}")
        module = import_file(Path(place)) if place.endswith(".py") else import_package(place)
        found = getattr(module, name, None)
        if not callable(found):
            own = [n for n, v in vars(module).items() if is_factory(v, module.__name__)]
            raise unknown(f"factory in {place}:", name, own)
        factory: Callable[..., Any] = found
        return factory

    def checked_arguments(self, factory: Callable[..., Any]) -> dict[str, Any]:
        """What the factory is called with.

        Raises:
            UsageError: an argument that it does not have, or one missing.
        """
        arguments = dict(self.arguments)
        if self.data_dir is not None:
            arguments["data_dir"] = self.data_dir
        signature = inspect.signature(factory)
        try:
            signature.bind(**arguments)
        except TypeError as error:
            call = f"{self.reference}{signature}"
            raise UsageError(f"{error}: the factory is {call}; pass --set KEY=VALUE") from error
        return arguments


def parse_setting(text: str) -> tuple[str, Any]:
    """Key and value of ``key=value``; the value is JSON, or the string as it stands.

    >>> parse_setting("depth=3"), parse_setting("path=/data"), parse_setting("flag=true")
    (('depth', 3), ('path', '/data'), ('flag', True))

    Raises:
        UsageError: there is no ``=``.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise UsageError(f"a setting is KEY=VALUE, got {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def is_factory(value: object, module: str) -> bool:
    """Whether a module's value is a public function made in it."""
    return (
        inspect.isfunction(value)
        and value.__module__ == module
        and not value.__name__.startswith("_")
    )
