"""What int8 files ask of a study, seen to before its first trial."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from ..errors import UsageError
from ..objectives.base import Objective, measure_quality
from ..objectives.footprint import ActivationMemory
from ..objectives.latency import Latency
from ..pruners.dense import Dense
from ..task import Task
from .card import number
from .export import said
from .export_formats import FORMATS
from .progress import Progress
from .quantize import KINDS, quantized
from .request import Request


def check_int8(request: Request, objectives: Sequence[Objective]) -> None:
    """See that a study with int8 files can measure them.

    Raises:
        UsageError: a package is missing, or something is to be measured that is not known of files.
    """
    if not set(request.space.quantizations) & set(KINDS):
        return
    check_packages(request.space.quantizations)
    names = {o.name for o in objectives}
    latency = request.latency
    if Latency.name in names and (latency.mode, latency.setting.runtime) != (
        "measured",
        "onnxruntime",
    ):
        raise UsageError(
            "the latency of int8 files is that of onnxruntime, and is measured: add "
            "--runtime onnxruntime --latency measured, or leave latency out of the objectives, "
            "such as --objectives accuracy,compression"
        )
    if ActivationMemory.name in names:
        raise UsageError(
            f"{ActivationMemory.name} cannot be measured of int8 files; leave it or --int8 out"
        )


def check_packages(kinds: Sequence[str]) -> None:
    """Raise :class:`UsageError` where int8 files of these kinds cannot be made here."""
    missing = [p for p in FORMATS["onnx"].packages if importlib.util.find_spec(p) is None]
    if missing and set(kinds) & set(KINDS):
        raise UsageError(
            f"int8 files (--int8 {','.join(kinds)}) need {', '.join(missing)}, not installed here: "
            f'pip install "hierprune[onnx]"'
        )


def try_int8(dense: Dense, task: Task, kinds: Sequence[str], progress: Progress) -> None:
    """Make int8 files of the dense model, and say what they score.

    Raises:
        UsageError: it cannot be exported or quantised.
    """
    for kind in kinds:
        if kind not in KINDS:
            continue
        try:
            file = quantized(dense.model, kind, dense.calibration, task)
            found = measure_quality(file, task, "val")
        except Exception as error:
            raise UsageError(
                f"no int8 file ({kind}) can be made of this model: {said(error)}. "
                f"{FORMATS['onnx'].advice.split(' Where')[0]} Else leave {kind!r} out of --int8."
            ) from error
        scores = ", ".join(f"{name} {number(m.value)}" for name, m in found.items())
        progress.note(f"the dense model in int8 ({kind}): {scores}")
