"""Trees by architecture: what was traced and verified once is not traced again.

The key is a hash of everything a tree can depend on: the module tree with its plain attributes,
names and shapes of all tensors, shapes of the inputs, the source of all code that is not installed
as a package, and the versions of the packages that define the modules.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from .. import __version__
from ..cachedir import default_cache
from ..limits import UNLIMITED, Limits
from ..task import Inputs, Task
from ..whole import write_whole
from .trace import build_tree
from .traceable import require_traceable
from .tree import ModelTree

ROOT = Path(__file__).parents[1]
OWN = tuple(
    str(ROOT / room)
    for room in ("commands", "terminal", "scaffold", "studies", "search", "objectives")
)
INSTALLED = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
PLAIN = (bool, int, float, str, type(None), torch.dtype)


def find_tree(
    model: nn.Module,
    example_inputs: Inputs,
    *,
    more_inputs: Sequence[Inputs] = (),
    outputs: Sequence[str | int] | None = None,
    limits: Limits = UNLIMITED,
    survivors: bool = False,
) -> ModelTree:
    """What can be pruned in ``model``: traced and verified, or as it was found before.

    Args:
        model: any module; it is left as it was.
        example_inputs: what one forward takes; the batch dimension first, 1 or 2 samples.
        more_inputs: further examples, for models that take another way with other inputs.
        outputs: names (of a mapping) or positions (of a list or tuple) of the outputs that must
            keep their width; by default all.
        limits: of time and memory; after them what was found until then is given, and not kept
            for later.
        survivors: let means, variances and standard deviations over units (weight standardisation,
            attention over channels) run over the units that stay; other numbers than those of the
            dense model with units switched off, but exactly those of the smaller architecture.

    Raises:
        UsageError: a model whose forward cannot be followed.
    """
    require_traceable(model)
    asked = [example_inputs, *more_inputs, *(("outputs", *outputs) if outputs is not None else ())]
    asked += ["survivors"] if survivors else []
    file = default_cache() / "trees" / f"{architecture_sha256(model, asked)}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        return ModelTree.from_json(json.loads(file.read_text()))
    allowance = limits.begin()
    tree = build_tree(
        model,
        example_inputs,
        more_inputs=more_inputs,
        outputs=outputs,
        limits=limits,
        survivors=survivors,
    )
    if not allowance.spent:
        with suppress(OSError):  # a cache that cannot be written costs time, not the result
            keep(file, tree)
    return tree


def task_tree(task: Task, model: nn.Module, limits: Limits = UNLIMITED) -> ModelTree:
    """What can be pruned in a model of this task."""
    return find_tree(
        model,
        task.example(),
        more_inputs=task.more_inputs,
        outputs=task.outputs,
        limits=limits,
        survivors=task.survivors,
    )


def keep(file: Path, tree: ModelTree) -> None:
    """Write a tree, in a folder that is made for it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(tree.to_json()))


def architecture_sha256(model: nn.Module, example_inputs: Inputs) -> str:
    """SHA-256 of all that the tree of a model follows from; not of its weights."""
    digest = hashlib.sha256()
    for fact in facts(model, example_inputs):
        digest.update(fact.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def facts(model: nn.Module, example_inputs: Inputs) -> Iterator[str]:
    """Everything that is hashed, as text."""
    yield from (__version__, torch.__version__)
    for leaf in tree_leaves(example_inputs):
        yield f"{leaf.dtype} {tuple(leaf.shape)}" if isinstance(leaf, Tensor) else repr(leaf)
    for name, module in model.named_modules(remove_duplicate=False):
        kind = type(module)
        yield f"{name} {kind.__module__}.{kind.__qualname__}"
        own = {k: v for k, v in vars(module).items() if k != "training" and is_plain(v)}
        yield from (f"{k}={text_of(v)}" for k, v in sorted(own.items()))
    for name, tensor in [
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    ]:
        yield f"{name} {tensor.dtype} {tuple(tensor.shape)} {tensor.requires_grad}"
    yield from sorted(packages(model))
    yield from sources()


def is_plain(value: Any) -> bool:
    """Whether an attribute is a plain value, a function, or plain values in a list, tuple, dict."""
    if isinstance(value, dict):
        return all(is_plain(v) for v in value.values())
    if isinstance(value, list | tuple):
        return all(is_plain(v) for v in value)
    return isinstance(value, (*PLAIN, FunctionType))


def text_of(value: Any) -> str:
    """A plain value as text, without addresses."""
    if isinstance(value, FunctionType):
        code = value.__code__
        constants = [c for c in code.co_consts if isinstance(c, PLAIN)]
        return f"{value.__qualname__} {code.co_code.hex()} {code.co_names} {constants}"
    return repr(value) if " at 0x" not in repr(value) else str(type(value))


def packages(model: nn.Module) -> set[str]:
    """Versions of the installed packages whose classes the model is made of."""
    found = set()
    for top in {type(m).__module__.partition(".")[0] for m in model.modules()}:
        with suppress(importlib.metadata.PackageNotFoundError):
            found.add(f"{top} {importlib.metadata.version(top)}")
    return found


def sources() -> Iterator[str]:
    """Hashes of the source files of all imported code that is not installed as a package.

    Code without a file (typed into a session) is told apart by the functions of ``__main__``.
    """
    files = {str(vars(m).get("__file__") or "") for m in list(sys.modules.values())}
    theirs = {
        f
        for f in files
        if f.endswith(".py") and not f.startswith((*INSTALLED, *OWN)) and Path(f).parent != ROOT
    }
    for file in sorted(theirs | {str(f) for f in Path(__file__).parent.rglob("*.py")}):
        with suppress(OSError):
            yield hashlib.sha256(Path(file).read_bytes()).hexdigest()
    for name, value in sorted(vars(sys.modules["__main__"]).items()):
        if isinstance(value, type):
            methods = vars(value).values()
            yield from (f"{name} {text_of(m)}" for m in methods if isinstance(m, FunctionType))
