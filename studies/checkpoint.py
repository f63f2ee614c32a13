"""A training that was stopped, as one safetensors file: weights, optimiser, order, place."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import UsageError
from ..objectives.packing import load_state, save_state
from ..pruners.schedules.course import Snapshot

ABOUT, GENERATOR = "about", "generator"


def save_snapshot(snapshot: Snapshot, mark: Mapping[str, Any], file: Path) -> None:
    """Write a snapshot; a reader sees the old file or the whole new one.

    Args:
        snapshot: of a course.
        mark: what the course was asked for, as plain data.
        file: to write.
    """
    about = {
        "step": snapshot.step,
        "keep": {name: list(units) for name, units in snapshot.keep.items()},
        "mark": mark,
    }
    tensors = {
        ABOUT: torch.tensor(list(json.dumps(about).encode()), dtype=torch.uint8),
        GENERATOR: snapshot.generator,
        **{f"model/{n}": t for n, t in snapshot.model.items()},
        **{f"zeros/{n}": t for n, t in snapshot.zeros.items()},
        **{f"mean/{n}": t for n, t in snapshot.mean.items()},
        **{f"origin/{n}": t for n, t in snapshot.origin.items()},
    }
    for name, state in snapshot.optimizer.items():
        tensors |= {f"optimizer/{kind}/{name}": t for kind, t in state.items()}
    save_state(tensors, file)


def load_snapshot(file: Path, mark: Mapping[str, Any]) -> Snapshot:
    """The snapshot in a file.

    Raises:
        UsageError: it is damaged, or of a course that was asked for something else.
        OSError: it cannot be read.
    """
    tensors = load_state(file)
    try:
        about = json.loads(bytes(tensors[ABOUT].tolist()))
        check_mark(about["mark"], mark)
        optimizer: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for path, tensor in below(tensors, "optimizer").items():
            kind, _, name = path.partition("/")
            optimizer[name][kind] = tensor
        return Snapshot(
            step=about["step"],
            keep={name: tuple(units) for name, units in about["keep"].items()},
            model=below(tensors, "model"),
            zeros=below(tensors, "zeros"),
            optimizer=optimizer,
            mean=below(tensors, "mean"),
            origin=below(tensors, "origin"),
            generator=tensors[GENERATOR],
        )
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{file} is damaged: {type(error).__name__}: {error}") from error


def below(tensors: Mapping[str, Tensor], folder: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``folder/``, without that."""
    start = f"{folder}/"
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}


def check_mark(was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise :class:`UsageError` where two courses differ, with what differs."""
    plain = json.loads(json.dumps(now))
    for name in sorted(was.keys() | plain.keys()):
        if was.get(name) != plain.get(name):
            if isinstance(was.get(name), dict) and isinstance(plain.get(name), dict):
                check_mark(was[name], plain[name])
            raise UsageError(
                f"this training was begun with another {name}: "
                f"{short(was.get(name))}, now {short(plain.get(name))}; "
                "give what was given then, or choose another --out"
            )


def short(value: Any) -> str:
    """A value as text of at most 80 characters."""
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
