"""The command line: launch, resume, pick, and what helps to decide.

Nothing heavy is imported before it is needed, so that ``--help`` answers at once.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import click

from . import __version__
from .arguments import (
    duration,
    export_options,
    init_options,
    json_option,
    means_options,
    prune_options,
    request_options,
    run_argument,
    stop_options,
    task_argument,
    task_options,
)
from .config import config_option
from .errors import NoModelError, UsageError

EXIT_ERROR, EXIT_USAGE, EXIT_NO_MODEL, EXIT_STOPPED = 1, 2, 3, 130


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
@init_options
def init(model: str | None, data: str | None, out: Path, **options: Any) -> None:
    """Write a first task file for your own model and data.

    The file is commented, yours to edit, and tried before this command ends. What is not given is
    asked for in a terminal. Data may be a folder of images (CLASS/*.png, perhaps below train, val
    and test), a CSV file, a file of named tensors, or a function of yours.

    \b
    Examples:
      hierprune init --model net.py:Net --weights net.pt --data digits.npz
      hierprune init --model net.py:Net --data photos --size 96 --epochs 20
      hierprune init --model train.py:make_net --data train.py:loaders --epochs 0
    """
    from .scaffold.write import check_new

    check_new(out)
    write_first_task(asked("model", model), asked("data", data), out, options)


def asked(name: str, given: str | None) -> str:
    """An option that is needed: as given, or as answered in a terminal.

    Raises:
        UsageError: it is missing, and nobody can be asked.
    """
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise UsageError(f"--{name} is needed; see 'hierprune init --help'")
    text = {"model": "model, as FILE.py:NAME", "data": "data, a path or FILE.py:FUNCTION"}[name]
    answer: str = click.prompt(text, err=True)
    return answer


def write_first_task(model: str, data: str, out: Path, options: dict[str, Any]) -> None:
    """Write the file; say what to do next, or what is wrong with it (exit code 1)."""
    from .live import say
    from .scaffold.sources import Columns
    from .scaffold.write import Answers, write_task
    from .studies.source import parse_setting

    given = {name: options.pop(name) for name in ("inputs", "target", "size", "batch")}
    options["arguments"] = dict(map(parse_setting, options["arguments"]))
    if options["epochs"] is None:
        options["epochs"] = 10 if options["weights"] is None else 0
    problem = write_task(Answers(model, data, columns=Columns(**given), **options), out)
    if problem:
        raise RuntimeError(f"wrote {out}, which needs your hand before it runs:\n{problem}")
    say(f"wrote {out}; look at what can be pruned: hierprune inspect {out}:task")


@cli.command()
@task_argument
@request_options
@stop_options
@task_options
@means_options
@config_option
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
      hierprune launch my_task.py:task --until "accuracy >= dense and macs <= 0.5" --patience 30
    """
    from .live import progress
    from .options import means_from, request_from
    from .studies.launch import launch_study
    from .studies.source import TaskSource

    source = TaskSource.parse(task, options.pop("settings"), options.pop("data_dir"))
    means, request = means_from(options), request_from(options)
    with progress(options["progress"]) as listener:
        study = launch_study(source, run, request, means, listener)
    finish(study, as_json)


@cli.command()
@run_argument
@click.option("--trials", type=int, help="New total of plans to finish. [as before]")
@stop_options
@means_options
@json_option
def resume(
    run: Path,
    trials: int | None,
    until: str | None,
    patience: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Go on with the study in RUN, after a stop or a crash of anything.

    A study that ended early by --until or --patience goes on when these are changed; --until ""
    and --patience 0 take them back.

    \b
    Examples:
      hierprune resume runs/first
      hierprune resume runs/first --trials 200 --workers 8
      hierprune resume runs/first --patience 0
    """
    from .live import progress
    from .options import means_from
    from .studies.launch import resume_study
    from .studies.request import Changes

    changes = Changes(trials, until, patience)
    with progress(options["progress"]) as listener:
        study = resume_study(run, changes, means_from(options), listener)
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
    open_plans = done < asked and study.stop() is None
    if open_plans or study.interrupted:
        say(f"{done} of {asked} plans finished; go on with: hierprune resume {study.run}")
    elif not as_json:
        say(f"choose a model: hierprune pick {study.run} --prefer knee --out picked")
    if study.interrupted:
        sys.exit(EXIT_STOPPED)


@cli.command()
@run_argument
@click.option("--once", is_flag=True, help="Show where it stands, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print events, one JSON document per line.")
def watch(run: Path, once: bool, as_json: bool) -> None:
    """Watch the study in RUN from another terminal.

    It may be running, finished, stopped or still being prepared, here or on a cluster. Nothing is
    written and no lock is taken. Ctrl-C ends the watching, not the study.

    \b
    Examples:
      hierprune watch runs/first
      hierprune watch runs/first --json | jq 'select(.event == "status")'
    """
    from .live import watching
    from .studies.follow import follow

    with suppress(KeyboardInterrupt), watching(as_json=as_json, once=once) as listener:
        prepared = True
        for status in follow(run, once=once):
            if status is not None:
                listener.trial(status)
            elif prepared:
                listener.note(f"the study in {run} is being prepared")
            prepared = status is not None


@cli.command()
@run_argument
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
def front(run: Path, as_json: bool, as_csv: bool) -> None:
    """Show the Pareto front of RUN, the dense model first.

    All scores are validation scores.

    \b
    Examples:
      hierprune front runs/first
      hierprune front runs/first --csv > front.csv
    """
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
    from .studies.compare import compare as put_side_by_side
    from .terminal import show_comparison, show_json

    found = put_side_by_side(a, b)
    if as_json:
        show_json(found.to_json())
    else:
        show_comparison(found)


@cli.command()
@run_argument
@click.option(
    "--time", "seconds", type=duration, default="60s", show_default=True, help="For all: 30s, 5m."
)
@click.option("--again", is_flag=True, help="Time the whole front anew.")
@json_option
def confirm(run: Path, seconds: float, again: bool, as_json: bool) -> None:
    """Score and time the models on RUN's front for good, and find the front again.

    They are scored on the validation samples that were kept from the trials, and timed one at a
    time, each in turns with the dense model on the study's runtime. Best when nothing else runs on
    this machine. Launch and resume do so at their end, in a small share of the study's time.

    \b
    Examples:
      hierprune confirm runs/first
      hierprune confirm runs/first --time 5m --again
    """
    from .live import progress
    from .studies.confirm import confirm as confirm_front
    from .studies.study import Study
    from .terminal import show_front, show_json

    study = Study.open(run)
    with progress() as listener:
        confirm_front(study, seconds=seconds, again=again, progress=listener)
    if as_json:
        show_json(study.to_json())
    else:
        show_front(study)


@cli.command()
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
    from .live import progress
    from .options import wish_from
    from .studies.source import TaskSource
    from .studies.trained import train_plan
    from .terminal import show_json, show_trained

    source = TaskSource.parse(task, options.pop("settings"), options.pop("data_dir"))
    wish = wish_from(options)
    with progress() as listener:
        trained = train_plan(source, out, wish, resume=resume, progress=listener)
    if as_json:
        show_json(trained.to_json(out))
    else:
        show_trained(trained, out)


@cli.command()
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
    from .studies.repair import repair_run
    from .studies.run_record import is_run
    from .studies.verify_picked import verify_picked
    from .studies.verify_run import verify_run
    from .terminal import show_audit, show_json, show_verified

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


@cli.command()
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
    from .studies.export import export_picked
    from .studies.quantize import export_int8
    from .terminal import show_exported, show_quantized

    if int8 is None:
        show_exported(export_picked(folder, format, out))
    elif format != "onnx":
        raise UsageError(f"--int8 is for --format onnx, not for {format}")
    else:
        show_quantized(export_int8(folder, int8, out))


@cli.command()
@run_argument
@click.option("--out", type=click.Path(path_type=Path), help="File to write. [RUN/report.html]")
@click.option(
    "--figures",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help='Write the figures as PNG and SVG too (pip install "hierprune[figures]").',
)
def report(run: Path, out: Path | None, figures: Path | None) -> None:
    """Write one self-contained HTML page about RUN.

    It shows the front, the search, the layers, what mattered, and the commands that pick a model.

    \b
    Examples:
      hierprune report runs/first
      hierprune report runs/first --out first.html --figures figures
    """
    from .live import say
    from .studies.report import write_figures, write_report
    from .studies.study import Study

    study = Study.open(run)
    if figures is not None:
        say(f"wrote {len(write_figures(study, figures))} figures to {figures}")
    say(f"wrote {write_report(study, out or run / 'report.html')}")


@cli.command()
@task_argument
@task_options
@json_option
def inspect(task: str, data_dir: Path | None, settings: Sequence[str], as_json: bool) -> None:
    """Show what can be pruned in TASK's model, and what cannot.

    Stages, layers and groups with their costs; what stays out, and why.

    \b
    Examples:
      hierprune inspect lenet5-mnist
      hierprune inspect my_task.py:task --set width=64
    """
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
def schema() -> None:
    """Print the JSON schema of the files that 'launch --config' takes."""
    import json

    from .config import schema_of

    click.echo(json.dumps(schema_of(launch), indent=1))


@cli.command()
@click.argument("shell", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that completes commands and options in SHELL: bash, zsh or fish.

    \b
    Examples:
      hierprune completion bash > ~/.local/share/bash-completion/completions/hierprune
      hierprune completion zsh  > "${fpath[1]}/_hierprune"
      hierprune completion fish > ~/.config/fish/completions/hierprune.fish
    """
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(cli, {}, "hierprune", "_HIERPRUNE_COMPLETE").source())


@cli.command()
def doctor() -> None:
    """Show versions, cores, caches and optional parts."""
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
