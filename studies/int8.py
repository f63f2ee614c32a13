"""What int8 files ask of a study, seen to before its first trial."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UsageError
from ..objectives.base import Objective, measure_quality
from ..objectives.footprint import ActivationMemory
from ..objectives.latency import Latency, inputs_of
from ..pruners.dense import Dense
from ..task import Task
from .card import number
from .export import said
from .export_formats import FORMATS
from .progress import Progress
from .quantize import KINDS, check_packages, quantized
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


def try_int8(dense: Dense, task: Task, request: Request, progress: Progress) -> None:
    """Make int8 files of the dense model, run them, and say what they score.

    Raises:
        UsageError: it cannot be exported or quantised.
    """
    setting = request.latency.setting
    for kind in request.space.quantizations:
        if kind not in KINDS:
            continue
        try:
            file = quantized(dense.model, kind, dense.calibration, task)
            found = measure_quality(file, task, "val")
            if setting.runtime == "onnxruntime":
                file.runs(inputs_of(setting, task, dense.model), setting.threads)()
        except Exception as error:
            raise UsageError(
                f"no int8 file ({kind}) can be made of this model: {said(error)}. "
                f"{FORMATS['onnx'].advice.split(' Where')[0]} Else leave {kind!r} out of --int8."
            ) from error
        scores = ", ".join(f"{name} {number(m.value)}" for name, m in found.items())
        progress.note(f"the dense model in int8 ({kind}): {scores}")
