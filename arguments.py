"""Arguments of the command line that several commands take, and what a study is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from .option_types import amounts, duration, names, sizes, span
from .studies.ready_made import READY_MADE

SCHEDULES = (
    *("oneshot", "gradual", "global", "iterative", "rigl", "rewind"),
    *("movement", "l0", "soft", "lasso", "slimming"),
)
Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]


def stacked(*options: Decorator[Any]) -> Decorator[Any]:
    """Several options as one decorator, in the order in which ``--help`` shows them."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


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
    click.option(
        "--allocation",
        type=names,
        help="How the global density is split: uniform, global, lamp, erk (usual for weights), "
        "shared (for structures), dp. [the usual, 'dp' where channels of trained plans go]",
    ),
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
        help="Fine-tune the best plans for up to so many epochs.",
    ),
    click.option(
        "--promote",
        type=float,
        metavar="SHARE",
        default=0.4,
        show_default=True,
        help="Share of the plans that is fine-tuned, in (0, 1]; 0.1 takes a quarter of the time.",
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
