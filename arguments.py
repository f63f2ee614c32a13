"""Arguments of the command line: their types, and groups of options."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from .errors import UsageError
from .search.span import Numbers, Span, numbers
from .studies.ready_made import READY_MADE

SCHEDULES = (
    *("oneshot", "gradual", "global", "iterative", "rigl", "rewind"),
    *("movement", "l0", "soft", "lasso", "slimming"),
)
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]


def stacked(*options: Decorator[Any]) -> Decorator[Any]:
    """Several options as one decorator, in the order in which ``--help`` shows them."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def duration(value: str | float) -> float:
    """Seconds of a time span: ``90s``, ``30m``, ``2h``, ``1d``; a bare number is seconds.

    >>> duration("1.5m")
    90.0
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", str(value).strip())
    if match is None or float(match[1]) == 0:
        raise click.BadParameter(f"{value!r} is no time span; write 90s, 30m, 2h or 1d")
    return float(match[1]) * SECONDS[match[2] or "s"]


def amounts(value: str) -> dict[str, float]:
    """Numbers by name, separated by commas.

    >>> amounts("cpu=4, gpu=0.5")
    {'cpu': 4.0, 'gpu': 0.5}
    """
    parts = [part.partition("=") for part in value.split(",")]
    try:
        return {name.strip(): float(number) for name, _, number in parts}
    except ValueError:
        raise click.BadParameter(f"{value!r} must look like cpu=4,gpu=0.5") from None


def names(value: str | Sequence[str]) -> tuple[str, ...]:
    """Names separated by commas, each once.

    >>> names("channel, weight")
    ('channel', 'weight')
    """
    parts = value.split(",") if isinstance(value, str) else list(value)
    found = tuple(dict.fromkeys(str(n).strip() for n in parts if str(n).strip()))
    if not found:
        raise click.BadParameter("needs at least one name")
    return found


def sizes(value: str | Sequence[int]) -> tuple[int, ...]:
    """Sizes separated by commas.

    >>> sizes("3,32,32")
    (3, 32, 32)
    """
    parts = value.split(",") if isinstance(value, str) else value
    try:
        found = tuple(int(n) for n in parts)
    except ValueError:
        found = (0,)
    if min(found, default=0) < 1:
        raise click.BadParameter(f"{value!r} is no shape; write 3,32,32")
    return found


def span(value: str | float | Sequence[float] | Span) -> Numbers:
    """Numbers to try: ``1e-4..3e-3``, ``0,0.3``, or one; see :func:`~.search.span.numbers`."""
    try:
        return numbers(value)
    except UsageError as error:
        raise click.BadParameter(str(error)) from None


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout and nothing else."
)


def words(*known: str) -> Callable[..., list[CompletionItem]]:
    """Completes to known words, of a list by commas its last one; then to files."""

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        found = [CompletionItem(f"{before}{comma}{n}") for n in known if n.startswith(last)]
        return found or [CompletionItem(incomplete, type="file")]

    return complete


task_argument = click.argument("task", metavar="TASK", shell_complete=words(*READY_MADE))
run_argument = click.argument("run", metavar="RUN", type=click.Path(path_type=Path))

init_options = stacked(
    click.option(
        "--model",
        metavar="PLACE",
        help="FILE.py:NAME or PACKAGE.MODULE:NAME of a class, a function or a module.",
    ),
    click.option(
        "--arg",
        "arguments",
        multiple=True,
        metavar="KEY=VALUE",
        help="Argument of the model's class or function. Repeatable.",
    ),
    click.option(
        "--weights",
        type=click.Path(path_type=Path),
        help="File of trained weights: .pt or .safetensors.",
    ),
    click.option(
        "--epochs",
        type=click.IntRange(0),
        help="Train the model first, so long. [10 without --weights; 0: it comes trained]",
    ),
    click.option(
        "--data",
        metavar="PATH|PLACE",
        help="A folder of images, a .csv, .npz, .pt or .safetensors file, or the place of a "
        "function that gives (train, val, test).",
    ),
    click.option("--size", type=click.IntRange(1), help="Height and width of images, in pixels."),
    click.option("--target", metavar="NAME", help="Column or tensor to predict. [tensors: y]"),
    click.option("--inputs", type=names, help="Columns or tensor to see. [all others; tensors: x]"),
    click.option(
        "--batch", type=click.IntRange(1), default=64, show_default=True, help="Samples per batch."
    ),
    click.option(
        "--metric",
        metavar="NAME|PLACE",
        default="accuracy",
        show_default=True,
        shell_complete=words("accuracy", "binary-accuracy", "mae", "mse"),
        help="One of accuracy, binary-accuracy, mae, mse, or the place of a function that gives "
        "one value per sample.",
    ),
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        default="my_task.py",
        show_default=True,
        help="File to write; it must not exist.",
    ),
)
"""What a first task file is made of."""

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

setting_options = (
    click.option(
        "--device",
        metavar="NAME|FILE.toml",
        shell_complete=words("phone-cpu", "microcontroller", "edge-gpu", "server"),
        help="Runtime, threads, batch, widths and budgets of a device; other options win.",
    ),
    click.option(
        "--runtime",
        shell_complete=words("eager", "compile", "onnxruntime", "remote"),
        help="What latency is measured on: 'eager', 'compile', 'onnxruntime', or 'remote' with "
        "--command. [eager]",
    ),
    click.option("--threads", type=click.IntRange(1), help="Of the runtime. [1]"),
    click.option(
        "--batch",
        type=click.IntRange(1),
        help="Samples per timed forward. [1]",
    ),
    click.option(
        "--shape",
        type=sizes,
        metavar="C,H,W",
        help="Of one timed sample of noise. [the head of the validation data]",
    ),
    click.option(
        "--command",
        metavar="CMD",
        help="Of --runtime remote: takes an ONNX file as {file} or on stdin, prints ms.",
    ),
    click.option(
        "--command-timeout",
        type=duration,
        help="For one call of --command: sending, loading and running. [2m]",
    ),
)
"""What latency is measured on."""

stop_options = stacked(
    click.option(
        "--until",
        metavar="EXPR",
        help="End when a model has this, such as 'accuracy >= dense - 0.005 and macs <= 0.5'.",
    ),
    click.option(
        "--patience",
        type=click.IntRange(0),
        metavar="N",
        help="Start no more plans when N of them in a row brought no progress; 0 for any number.",
    ),
)
"""What ends a study before all its plans are finished; launch and resume take them."""

request_options = stacked(
    click.option(
        "--run", type=click.Path(path_type=Path), help="New folder of the study. [runs/TASK-DATE]"
    ),
    click.option("--trials", type=int, default=60, show_default=True, help="Plans to finish."),
    click.option(
        "--objectives",
        type=names,
        help="What to optimise, separated by commas. [the task's first metric,latency,compression]",
    ),
    click.option(
        "--where",
        multiple=True,
        metavar="EXPR",
        help="A constraint such as 'accuracy >= dense - 0.01'; guides the search. Repeatable.",
    ),
    click.option(
        "--hold-back/--no-hold-back",
        default=True,
        show_default=True,
        help="Keep a third of the validation samples from the trials, to score the front on them.",
    ),
    click.option(
        "--granularity",
        type=names,
        default="channel",
        show_default=True,
        shell_complete=words("channel", "block", "weight", "2:4", "4x1"),
        help="'channel' removes structures, 'block' residual blocks; 'weight' zeroes single "
        "weights, '2:4' all but 2 of 4 neighbours, '4x1' blocks of weights; several by commas.",
    ),
    click.option("--criterion", type=names, help="What ranks the units. [activation; weights: l1]"),
    click.option("--allocation", type=names, help="How the global density is split. [all]"),
    click.option(
        "--space",
        default="auto",
        show_default=True,
        shell_complete=words("auto", "hierarchical", "flat", "global"),
        help="'hierarchical', 'flat' (a density per group), 'global' (one density); 'auto' is flat "
        "where three or four groups are all there is.",
    ),
    click.option(
        "--budget",
        default="params",
        show_default=True,
        shell_complete=words("params", "macs"),
        help="What density counts: params, macs.",
    ),
    click.option(
        "--min-density", type=float, default=0.02, show_default=True, help="Lowest global density."
    ),
    click.option(
        "--max-density", type=float, default=0.9, show_default=True, help="Highest global density."
    ),
    click.option(
        "--align",
        metavar="auto|N",
        help="Keep widths in multiples of N; 'auto' finds by timing what the runtime likes. "
        "[auto on onnxruntime, else 1]",
    ),
    click.option(
        "--int8",
        metavar="KINDS",
        type=names,
        default="none",
        show_default=True,
        shell_complete=words("none", "dynamic", "static"),
        help="What a recovered model may become: 'none', or an int8 ONNX file ('dynamic': matrix "
        "products and LSTMs; 'static': convolutions too), scored and stored as such; several by "
        "commas are searched. Latency then needs --runtime onnxruntime --latency measured.",
    ),
    click.option(
        "--strategy",
        default="default",
        show_default=True,
        shell_complete=words(
            "default", "gp", "evolution", "tpe", "nsga2", "nsga3", "random", "grid"
        ),
        help="'default' sweeps the allocations, then takes the most promising split; "
        "others: gp, evolution, tpe, nsga2, nsga3, random, grid.",
    ),
    click.option(
        "--max-epochs",
        type=float,
        default=0.0,
        show_default=True,
        help="Fine-tune one plan in ten for up to so many epochs.",
    ),
    click.option(
        "--latency",
        default="predicted",
        show_default=True,
        shell_complete=words("predicted", "measured"),
        help="How trials know it: 'predicted' from models timed once, or each 'measured'; "
        "the front is timed at the end either way.",
    ),
    *setting_options,
    click.option(
        "--lr",
        type=span,
        metavar="RATE|LOW..HIGH",
        default="1e-3",
        show_default=True,
        help="Highest learning rate of fine-tuning. A range such as 1e-4..3e-3, or several by "
        "commas, are searched over the plans that are trained.",
    ),
    click.option(
        "--distil",
        type=span,
        metavar="WEIGHT|LOW..HIGH",
        default="0",
        show_default=True,
        help="Weight of the dense model's outputs in the loss of fine-tuning, 0 to 1; 0,0.3,0.7 or "
        "0..0.7 are searched likewise.",
    ),
    click.option(
        "--schedule",
        type=names,
        default="oneshot",
        show_default=True,
        shell_complete=words(*SCHEDULES),
        help="When units go where a plan is trained: 'oneshot' before, or 'gradual', 'iterative' "
        "and others of 'hierprune prune --help', from the dense model anew on every rung; several "
        "by commas are searched likewise.",
    ),
    click.option(
        "--sequential",
        is_flag=True,
        help="Reconstruct layer by layer: better far from dense, a hundred times slower.",
    ),
    click.option(
        "--storage",
        metavar="URL",
        help="Optuna storage of the record. [a journal in the run folder]",
    ),
    click.option(
        "--seed", type=int, default=0, show_default=True, help="Seed of everything random."
    ),
)
"""What a study is asked to find."""

task_options = stacked(
    click.option(
        "--data-dir",
        type=click.Path(path_type=Path),
        help="Folder of the data, for the task's factory.",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="Argument of the task's factory.",
    ),
)
"""What the task's factory is called with."""

means_options = stacked(
    click.option(
        "--executor",
        default="local",
        show_default=True,
        shell_complete=words("local", "ray"),
        help="'local' for processes on this machine, 'ray' for a Ray cluster.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(0),
        help="Trials at once. Default: one per core, at most 4. 0 runs them in the "
        "launching process.",
    ),
    click.option("--address", metavar="RAY", help="Address of a running Ray cluster."),
    click.option(
        "--resources",
        type=amounts,
        metavar="NAME=N,...",
        help="What one trial takes of a Ray cluster: cpu=4,gpu=0.5, or names of its own. [cpu=1]",
    ),
    click.option("--timeout", type=duration, help="Start no trial after this time: 90s, 30m, 2h."),
    click.option("--trial-timeout", type=duration, help="Kill a single trial after this time."),
    click.option(
        "--track",
        multiple=True,
        metavar="NAME",
        shell_complete=words("tensorboard", "mlflow", "wandb"),
        help="Tell every trial to tensorboard, mlflow or wandb too (pip install "
        '"hierprune[NAME]"). Repeatable. [on resume: as before]',
    ),
    click.option(
        "--progress",
        metavar="FORM",
        default="auto",
        show_default=True,
        help="What stderr tells: 'auto' draws in a terminal and writes lines elsewhere; 'lines', "
        "'json' (events, one per line), 'none'.",
    ),
    click.option(
        "--on-stop",
        default="finish",
        show_default=True,
        help="At Ctrl-C, SIGTERM, SIGUSR1 or --timeout: 'finish' waits for the running trials, "
        "'requeue' ends them at once, for 'resume' to start anew. A second Ctrl-C always does.",
    ),
)
"""What a study is run with; launch and resume take them."""
