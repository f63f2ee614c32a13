"""Running code that the user wrote: imports from their folder, errors that point into it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from ..errors import UsageError
from .shipped import found

TAIL = 3  # frames of the user's traceback that are shown

_folders: set[str] = set()  # every folder that a task file was imported from


def import_file(path: Path) -> ModuleType:
    """Import a Python file as a module, its folder first on ``sys.path`` from then on.

    A file that was imported before is not run again.

    Raises:
        UsageError: there is no such file, or it raises.
    """
    path = found(path.resolve())
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    enter_folder(path.parent)
    name = module_name(path)
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with running(str(path)):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def import_package(name: str) -> ModuleType:
    """Import a module by its dotted name; the working directory is searched last.

    Raises:
        UsageError: there is no such module, or it raises.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    with running(name):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if f"{name}.".startswith(f"{error.name}."):
                raise UsageError(f"no module {error.name!r} for the task {name!r}") from error
            raise


def enter_folder(folder: Path) -> None:
    """Put a folder first on ``sys.path``, before modules of that name from other task folders."""
    entry = str(folder)
    if entry in sys.path:
        sys.path.remove(entry)
    sys.path.insert(0, entry)
    _folders.add(entry)
    for name in [n for n, m in list(sys.modules.items()) if home_of(m) in _folders - {entry}]:
        if shadows(folder, name.partition(".")[0]):
            del sys.modules[name]
    importlib.invalidate_caches()


def home_of(module: ModuleType) -> str:
    """The folder from which the top-level package of a module was imported; "" where unknown."""
    values = getattr(module, "__dict__", {})  # no getattr: lazy modules would import
    file, name = values.get("__file__"), values.get("__name__", "")
    if not file:
        return ""
    depth = name.count(".") + (Path(file).name == "__init__.py")
    folders = Path(file).parents
    return str(folders[depth]) if depth < len(folders) else ""  # torch.ops are all in "_ops.py"


def shadows(folder: Path, name: str) -> bool:
    """Whether a folder holds a module or package of that name."""
    return (folder / f"{name}.py").is_file() or (folder / name).is_dir()


def module_name(path: Path) -> str:
    """What a task file is called as a module: its stem, so that its neighbours can import it.

    A stem that is taken by another module (``random.py``) is left to that one.
    """
    taken = sys.modules.get(path.stem)
    if path.stem not in sys.stdlib_module_names and (taken is None or is_at(taken, path)):
        return path.stem
    return f"{path.stem}@{path.parent}"


def is_at(module: ModuleType, path: Path) -> bool:
    """Whether a module was imported from that file."""
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve() == path


@contextmanager
def running(what: str) -> Iterator[None]:
    """Turn what the user's code raises into a :class:`UsageError` that shows where.

    A :class:`UsageError` passes as it is.
    """
    try:
        yield
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"{what} failed:\n{tail(error)}") from error


def tail(error: BaseException) -> str:
    """The last frames of a traceback that are the user's, and the error itself."""
    frames = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if Path(f.filename).parent != Path(__file__).parent and not f.filename.startswith("<")
    ]
    lines = traceback.format_list(frames[-TAIL:])
    return "".join([*lines, *traceback.format_exception_only(error)]).rstrip()
