"""The command line: launch, resume, pick, and what helps to decide.

Nothing heavy is imported before it is needed, so that ``--help`` answers at once.
"""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import click

from . import __version__
from .errors import NoModelError, UsageError

EXIT_ERROR, EXIT_USAGE, EXIT_NO_MODEL, EXIT_STOPPED = 1, 2, 3, 130
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
Command = TypeVar("Command", bound=Callable[..., Any])


def duration(value: str | float) -> float:
    """Seconds of a time span: ``90s``, ``30m``, ``2h``, ``1d``; a bare number is seconds.

    >>> duration("1.5m")
    90.0
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", str(value).strip())
    if match is None or float(match[1]) == 0:
        raise click.BadParameter(f"{value!r} is no time span; write 90s, 30m, 2h or 1d")
    return float(match[1]) * SECONDS[match[2] or "s"]


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


def read_config(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Take option values from a TOML file; those on the command line win."""
    if value is None:
        return
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        data = tomllib.loads(Path(value).read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {value}: {error}") from error
    options = {o.opts[-1].lstrip("-"): o for o in ctx.command.params if isinstance(o, click.Option)}
    del options["config"]
    if strange := sorted(set(data) - set(options)):
        known = ", ".join(sorted(options))
        raise UsageError(f"{value} sets {', '.join(strange)}; known options are {known}")
    ctx.default_map = {str(options[k].name): config_value(options[k], v) for k, v in data.items()}


def config_value(option: click.Option, value: Any) -> Any:
    """A value of a config file as its option takes it.

    Raises:
        UsageError: a list where there can be but one value, or something that is no plain value.
    """
    several = option.multiple or isinstance(option.type, click.types.FuncParamType)
    values = value if isinstance(value, list) and several else [value]
    if not all(isinstance(v, str | int | float) for v in values):
        raise UsageError(f"{option.opts[-1]} cannot be {value!r}; see 'hierprune launch --help'")
    return values if option.multiple else value


def means_options(command: Command) -> Command:
    """Options of launch and resume that say what to run with."""
    for option in reversed(
        [
            click.option(
                "--executor",
                default="local",
                show_default=True,
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
                "--timeout", type=duration, help="Start no trial after this time: 90s, 30m, 2h."
            ),
            click.option(
                "--trial-timeout", type=duration, help="Kill a single trial after this time."
            ),
        ]
    ):
        command = option(command)
    return command


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout and nothing else."
)
run_argument = click.argument("run", metavar="RUN", type=click.Path(path_type=Path))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, package_name="hierprune")
@click.option("--debug", is_flag=True, help="Show Python tracebacks.")
def cli(debug: bool) -> None:
    """Search for smaller, faster versions of a trained PyTorch model.

    hierprune tries plans (what to prune where, and how to recover), scores each on accuracy,
    measured latency and real compression, survives crashes, and hands back the Pareto front.

    \b
    Three jobs:
      hierprune launch lenet5-mnist --run runs/first --trials 60
      hierprune resume runs/first
      hierprune pick   runs/first --where "accuracy >= dense - 0.003" --out picked
    """


@cli.command()
@click.argument("task", metavar="TASK")
@click.option("--run", type=click.Path(path_type=Path), help="New folder. [runs/TASK-DATE]")
@click.option("--trials", type=int, default=60, show_default=True, help="Plans to finish.")
@click.option(
    "--objectives",
    type=names,
    help="What to optimise, separated by commas. [the task's first metric,latency,compression]",
)
@click.option(
    "--where",
    multiple=True,
    metavar="EXPR",
    help="A constraint such as 'accuracy >= dense - 0.01'; guides the search. Repeatable.",
)
@click.option(
    "--granularity",
    type=names,
    default="channel",
    show_default=True,
    help="'channel' removes structures, 'block' residual blocks; 'weight' zeroes single weights, "
    "'2:4' all but 2 of 4 neighbours, '4x1' blocks of weights; several by commas.",
)
@click.option("--criterion", type=names, help="What ranks the units. [activation; weights: l1]")
@click.option("--allocation", type=names, help="How the global density is split. [all]")
@click.option(
    "--space",
    default="hierarchical",
    show_default=True,
    help="'hierarchical', 'flat' (a density per group), 'global' (one density).",
)
@click.option(
    "--budget", default="params", show_default=True, help="What density counts: params, macs."
)
@click.option("--min-density", type=float, default=0.02, show_default=True)
@click.option("--max-density", type=float, default=0.9, show_default=True)
@click.option("--strategy", default="tpe", show_default=True, help="'tpe', 'nsga2' or 'random'.")
@click.option(
    "--max-epochs",
    type=float,
    default=0.0,
    show_default=True,
    help="Fine-tune one plan in ten for up to so many epochs.",
)
@click.option("--lr", type=float, default=1e-3, show_default=True, help="Of fine-tuning.")
@click.option(
    "--distil",
    type=float,
    default=0.0,
    show_default=True,
    help="Weight of the dense model's outputs in the loss of fine-tuning, 0 to 1.",
)
@click.option(
    "--sequential",
    is_flag=True,
    help="Reconstruct layer by layer: better far from dense, a hundred times slower.",
)
@click.option("--storage", metavar="URL", help="Optuna storage URL. [a journal in the run folder]")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Passed to the task's factory.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Argument of the task's factory."
)
@means_options
@click.option(
    "--config",
    metavar="FILE.toml",
    is_eager=True,
    expose_value=False,
    callback=read_config,
    help="Options by name; the command line wins.",
)
@json_option
def launch(task: str, run: Path | None, as_json: bool, **options: Any) -> None:
    """Start a search study on TASK.

    TASK is a ready-made name (see 'hierprune tasks'), FILE.py:FACTORY or PACKAGE.MODULE:FACTORY,
    where the factory returns a hierprune.Task.

    \b
    Examples:
      hierprune launch lenet5-mnist
      hierprune launch my_task.py:task --trials 100 --objectives accuracy,macs
      hierprune launch my_task.py:task --where "accuracy >= dense - 0.01" --max-epochs 2
    """
    from .live import progress
    from .options import means_from, request_from
    from .studies.launch import launch_study
    from .studies.source import TaskSource

    source = TaskSource.parse(task, options.pop("settings"), options.pop("data_dir"))
    means, request = means_from(options), request_from(options)
    with progress() as listener:
        study = launch_study(source, run, request, means, listener)
    finish(study, as_json)


@cli.command()
@run_argument
@click.option("--trials", type=int, help="New total of plans to finish. [as before]")
@means_options
@json_option
def resume(run: Path, trials: int | None, as_json: bool, **options: Any) -> None:
    """Go on with the study in RUN, after a stop or a crash of anything.

    \b
    Examples:
      hierprune resume runs/first
      hierprune resume runs/first --trials 200 --workers 8
    """
    from .live import progress
    from .options import means_from
    from .studies.launch import resume_study

    with progress() as listener:
        study = resume_study(run, trials, means_from(options), listener)
    finish(study, as_json)


def finish(study: Any, as_json: bool) -> None:
    """Show what a launch or resume came to; a stopped one ends with exit code 130."""
    from .live import say
    from .terminal import show_front, show_json

    if as_json:
        show_json(study.to_json())
    else:
        show_front(study)
    done, asked = study.counts()["complete"], study.record.n_trials
    if done < asked or study.interrupted:
        say(f"{done} of {asked} plans finished; go on with: hierprune resume {study.run}")
    elif not as_json:
        say(f"choose a model: hierprune pick {study.run} --prefer knee --out picked")
    if study.interrupted:
        sys.exit(EXIT_STOPPED)


@cli.command()
@run_argument
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
def front(run: Path, as_json: bool, as_csv: bool) -> None:
    """Show the Pareto front of RUN, the dense model first; all scores are validation scores."""
    from .studies.study import Study
    from .terminal import show_front, show_json

    study = Study.open(run)
    if as_json:
        show_json(study.to_json())
    elif as_csv:
        click.echo(study.front().to_csv(), nl=False)
    else:
        show_front(study)


@cli.command()
@run_argument
@click.option("--where", multiple=True, metavar="EXPR", help="As at launch; must all hold.")
@click.option(
    "--prefer",
    default="knee",
    show_default=True,
    help="'knee' of the front, or the objective to be best in.",
)
@click.option("--trial", type=int, help="Take this trial instead.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write the model to.")
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
    from .studies.picked import check_out
    from .studies.study import Study
    from .terminal import show_json, show_picked

    if out is not None:
        check_out(out)
    picked = Study.open(run).pick(where, prefer, trial)
    if out is not None:
        picked.save(out)
    if as_json:
        show_json(picked.to_json(out))
    else:
        show_picked(picked, out)


@cli.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@json_option
def verify(folder: Path, as_json: bool) -> None:
    """Measure the picked model in DIR again, or check the record of the run in DIR.

    A picked model is loaded and scored on the test split, beside what its plan promises. Of a run,
    the states of all trials, their values, hashes and budgets are checked. Exit code 1 when
    something does not hold.
    """
    from .studies.run_record import is_run
    from .studies.verify_picked import verify_picked
    from .studies.verify_run import verify_run
    from .terminal import show_audit, show_json, show_verified

    if is_run(folder):
        found: Any = verify_run(folder)
        show: Callable[[Any], None] = show_audit
    else:
        found, show = verify_picked(folder), show_verified
    if as_json:
        show_json(found.to_json())
    else:
        show(found)
    if not found.ok:
        sys.exit(EXIT_ERROR)


@cli.command()
@run_argument
@click.option("--out", type=click.Path(path_type=Path), help="[RUN/report.html]")
def report(run: Path, out: Path | None) -> None:
    """Write one self-contained HTML page about RUN; it opens offline."""
    from .live import say
    from .studies.report import write_report
    from .studies.study import Study

    say(f"wrote {write_report(Study.open(run), out or run / 'report.html')}")


@cli.command()
@click.argument("task", metavar="TASK")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Passed to the task's factory.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Argument of the task's factory."
)
@json_option
def inspect(task: str, data_dir: Path | None, settings: Sequence[str], as_json: bool) -> None:
    """Show what can be pruned in TASK's model: stages, layers, groups, costs; and what cannot."""
    from .studies.inspect_task import inspect_task
    from .studies.source import TaskSource
    from .terminal import show_json, show_tree

    found = inspect_task(TaskSource.parse(task, settings, data_dir))
    if as_json:
        show_json(found)
    else:
        show_tree(found)


@cli.command()
def tasks() -> None:
    """List the ready-made tasks."""
    from .terminal import show_tasks

    show_tasks()


@cli.command()
def doctor() -> None:
    """Show versions, cores, caches and what of the optional parts is there."""
    from .terminal import show_doctor

    show_doctor()


def main() -> None:
    """Entry point of the ``hierprune`` command: exit codes instead of tracebacks."""
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, interrupt)
    sys.exit(run(sys.argv[1:]))


def interrupt(number: int, frame: FrameType | None) -> None:
    """End as Ctrl-C does, where a study does not stop more gently."""
    raise KeyboardInterrupt(f"stopped by {signal.Signals(number).name}")


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code; see the table in the README."""
    try:
        result = cli.main(list(arguments), prog_name="hierprune", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else EXIT_ERROR
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except UsageError as error:
        return complain(error, EXIT_USAGE)
    except NoModelError as error:
        return complain(error, EXIT_NO_MODEL)
    except (KeyboardInterrupt, click.Abort) as error:
        said = str(error.__cause__ or error)  # click turns the one into the other
        return complain(RuntimeError(said or "stopped"), EXIT_STOPPED)
    except Exception as error:
        if "--debug" in arguments:
            raise
        return complain(error, EXIT_ERROR)


def complain(error: BaseException, code: int) -> int:
    """One paragraph on stderr, then the exit code."""
    text = str(error) or type(error).__name__
    kind = "" if isinstance(error, ValueError | RuntimeError) else f"{type(error).__name__}: "
    click.echo(f"hierprune: {kind}{text}", err=True)
    return code
