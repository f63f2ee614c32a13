"""Commands for one model: choose it, compare, prune, verify, export it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ..arguments import (
    SCHEDULES,
    json_option,
    run_argument,
    stacked,
    task_argument,
    task_options,
    words,
)
from ..errors import UsageError
from .exits import EXIT_ERROR

prune_options = stacked(
    click.option(
        "--plan",
        type=click.Path(path_type=Path, dir_okay=False),
        help="A plan.json, as pick writes it, whose densities to take.",
    ),
    click.option("--density", type=float, help="Without a plan: share to keep, in (0, 1]."),
    click.option(
        "--granularity",
        default="channel",
        show_default=True,
        shell_complete=words("channel", "block", "weight", "2:4", "4x1"),
        help="As at launch.",
    ),
    click.option("--criterion", default="", help="What ranks the units. [activation; weights: l1]"),
    click.option(
        "--allocation", default="uniform", show_default=True, help="How the density is split."
    ),
    click.option(
        "--budget",
        default="params",
        show_default=True,
        shell_complete=words("params", "macs", "units"),
        help="What the density counts: params, macs, units.",
    ),
    click.option(
        "--schedule",
        default="gradual",
        show_default=True,
        shell_complete=words(*SCHEDULES),
        help="When units go: 'oneshot' before training, 'gradual' by a cubic, 'global' likewise "
        "but all groups' weights compared, 'iterative' in rounds of pruning and training; 'rigl' "
        "lets zeroed weights grow back, 'rewind' sends survivors back to early weights. Or what "
        "goes is learned in the first half: by 'movement', L0 gates ('l0'), 'soft' thresholds, a "
        "'lasso', BatchNorm 'slimming'.",
    ),
    click.option("--epochs", type=float, default=10.0, show_default=True, help="Of training."),
    click.option("--lr", type=float, default=1e-3, show_default=True, help="Highest rate."),
    click.option(
        "--distil",
        type=float,
        default=0.0,
        show_default=True,
        help="Weight of the dense model's outputs in the loss, 0 to 1.",
    ),
    click.option(
        "--weight-decay",
        type=float,
        default=1e-4,
        show_default=True,
        help="On weights of two or more dimensions.",
    ),
    click.option(
        "--precision",
        default="float32",
        show_default=True,
        shell_complete=words("float32", "bfloat16"),
        help="Of forward passes: 'bfloat16' is faster where the processor has units for it.",
    ),
    click.option(
        "--average",
        type=float,
        default=0.0,
        show_default=True,
        help="Share of the run that the final weights are an exponential mean over.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Of everything random."),
    click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write."),
    click.option("--resume", is_flag=True, help="Go on with the training stopped in --out."),
)
"""What is pruned without a search, and how it is trained."""

export_options = stacked(
    click.option(
        "--format",
        metavar="FORMAT",
        default="onnx",
        show_default=True,
        shell_complete=words("onnx", "torch-export"),
        help="'onnx' (pip install \"hierprune[onnx]\") or 'torch-export'.",
    ),
    click.option(
        "--int8",
        metavar="KIND",
        shell_complete=words("dynamic", "static"),
        help="Quantise the ONNX file: 'dynamic' (matrix products and LSTMs), 'static' "
        "(convolutions too, by ranges of training batches).",
    ),
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        help="File to write. [DIR/model.onnx, DIR/model.int8.onnx or DIR/model.pt2]",
    ),
)
"""What a picked model is written as."""


@click.command()
@run_argument
@click.option(
    "--where",
    multiple=True,
    metavar="EXPR",
    help="A constraint, as at launch; all must hold. Repeatable. [those of the study]",
)
@click.option(
    "--prefer",
    default="knee",
    show_default=True,
    help="'knee' of the front, or the objective to be best in.",
)
@click.option("--trial", type=int, help="Take this trial instead.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder to write the model to. [nothing is written]",
)
@json_option
def pick(
    run: Path,
    where: Sequence[str],
    prefer: str,
    trial: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Choose one model of RUN, test it, and write it to a folder.

    The test split is read now, once, for the chosen model and the dense one.

    \b
    Examples:
      hierprune pick runs/first --out picked
      hierprune pick runs/first --where "accuracy >= dense - 0.003" --prefer params --out small
    """
    from ..studies.picked import check_out
    from ..studies.study import Study
    from ..terminal.model import show_picked
    from ..terminal.tables import show_json

    if out is not None:
        check_out(out)
    picked = Study.open(run).pick(where, prefer, trial)
    if out is not None:
        picked.save(out)
    if as_json:
        show_json(picked.to_json(out))
    else:
        show_picked(picked, out)


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@json_option
def compare(a: str, b: str, as_json: bool) -> None:
    """Put two models side by side: scores, decisions, and what is kept of every layer.

    A and B are folders that 'pick --out' wrote, or trials as RUN:TRIAL.

    \b
    Examples:
      hierprune compare runs/first:12 runs/first:30
      hierprune compare picked runs/first:30
    """
    from ..studies.compare import compare as put_side_by_side
    from ..terminal.model import show_comparison
    from ..terminal.tables import show_json

    found = put_side_by_side(a, b)
    if as_json:
        show_json(found.to_json())
    else:
        show_comparison(found)


@click.command()
@task_argument
@prune_options
@task_options
@json_option
def prune(task: str, out: Path, resume: bool, as_json: bool, **options: Any) -> None:
    """Prune TASK's model while it trains, without a search.

    The densities of a plan, or one density, are met exactly. The folder is like one of 'pick'. A
    training that was stopped goes on from its last pass over the data: the same command and
    --resume.

    \b
    Examples:
      hierprune prune lenet5-mnist --density 0.1 --schedule gradual --epochs 10 --out small
      hierprune prune my_task.py:task --plan picked/plan.json --lr 3e-3 --distil 0.3 --out better
    """
    from ..live import progress
    from ..options import wish_from
    from ..studies.source import TaskSource
    from ..studies.trained import train_plan
    from ..terminal.model import show_trained
    from ..terminal.tables import show_json

    source = TaskSource.parse(task, options.pop("settings"), options.pop("data_dir"))
    wish = wish_from(options)
    with progress() as listener:
        trained = train_plan(source, out, wish, resume=resume, progress=listener)
    if as_json:
        show_json(trained.to_json(out))
    else:
        show_trained(trained, out)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--repair", is_flag=True, help="Do what can be done about the faults of a run.")
@json_option
def verify(folder: Path, repair: bool, as_json: bool) -> None:
    """Measure a picked model again, or check the record of a run.

    DIR is either. A picked model is loaded and scored on the test split, beside what its plan
    promises. Of a run, the journal, the states of all trials, their repetitions, values, hashes
    and budgets are checked; --repair mends what can be mended. No finished trial is lost by it,
    and what it takes away is kept in RUN/damaged. Exit code 1 when something does not hold.

    \b
    Examples:
      hierprune verify picked
      hierprune verify runs/first
      hierprune verify runs/first --repair
    """
    from ..studies.repair import repair_run
    from ..studies.run_record import is_run
    from ..studies.verify_picked import verify_picked
    from ..studies.verify_run import verify_run
    from ..terminal.model import show_verified
    from ..terminal.study import show_audit
    from ..terminal.tables import show_json

    if is_run(folder):
        found: Any = repair_run(folder) if repair else verify_run(folder)
        show: Callable[[Any], None] = show_audit
    elif repair:
        raise UsageError(f"only a run can be repaired, {folder} is none; pick the model again")
    else:
        found, show = verify_picked(folder), show_verified
    if as_json:
        show_json(found.to_json())
    else:
        show(found)
    if not found.ok:
        sys.exit(EXIT_ERROR)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@export_options
def export(folder: Path, format: str, int8: str | None, out: Path | None) -> None:
    """Write a picked model as one file that runs without hierprune.

    DIR is the folder that 'pick --out' wrote. The file takes any batch size. It is compared with
    the model on validation inputs before it is put in its place.

    \b
    Examples:
      hierprune export picked --format onnx
      hierprune export picked --format torch-export --out small.pt2
      hierprune export picked --int8 static
    """
    from ..studies.export import export_picked
    from ..studies.quantize import export_int8
    from ..terminal.model import show_exported, show_quantized

    if int8 is None:
        show_exported(export_picked(folder, format, out))
    elif format != "onnx":
        raise UsageError(f"--int8 is for --format onnx, not for {format}")
    else:
        show_quantized(export_int8(folder, int8, out))
