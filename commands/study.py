"""Commands for a study: start it, go on, watch it, look at what it found."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from ..arguments import (
    json_option,
    means_options,
    request_options,
    run_argument,
    stop_options,
    task_argument,
    task_options,
)
from ..config import config_option
from ..option_types import duration
from .exits import EXIT_STOPPED


@click.command()
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
    from ..live import progress
    from ..options import means_from, request_from
    from ..studies.launch import launch_study
    from ..studies.source import TaskSource

    source = TaskSource.parse(task, options.pop("settings"), options.pop("data_dir"))
    means, request = means_from(options), request_from(options)
    with progress(options["progress"]) as listener:
        study = launch_study(source, run, request, means, listener)
    finish(study, as_json)


@click.command()
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
    from ..live import progress
    from ..options import means_from
    from ..studies.launch import resume_study
    from ..studies.request import Changes

    changes = Changes(trials, until, patience)
    with progress(options["progress"]) as listener:
        study = resume_study(run, changes, means_from(options), listener)
    finish(study, as_json)


def finish(study: Any, as_json: bool) -> None:
    """Show what a launch or resume came to; a stopped one ends with exit code 130."""
    from ..live import say
    from ..studies.verify_run import is_done
    from ..terminal.study import show_front
    from ..terminal.tables import show_json

    if as_json:
        show_json(study.to_json())
    else:
        show_front(study)
    counts, asked = study.counts(), study.record.n_trials
    if study.interrupted or not is_done(study, counts, study.stop()):
        tuned = "" if counts["complete"] < asked else ", not all that is to be fine-tuned"
        done = f"{counts['complete']} of {asked} plans finished{tuned}"
        say(f"{done}; go on with: hierprune resume {study.run}")
    elif not as_json:
        say(f"choose a model: hierprune pick {study.run} --prefer knee --out picked")
    if study.interrupted:
        sys.exit(EXIT_STOPPED)


@click.command()
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
    from ..live import watching
    from ..studies.follow import follow

    with suppress(KeyboardInterrupt), watching(as_json=as_json, once=once) as listener:
        prepared = True
        for status in follow(run, once=once):
            if status is not None:
                listener.trial(status)
            elif prepared:
                listener.note(f"the study in {run} is being prepared")
            prepared = status is not None


@click.command()
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
    from ..studies.study import Study
    from ..terminal.study import show_front
    from ..terminal.tables import show_json

    study = Study.open(run)
    if as_json:
        show_json(study.to_json())
    elif as_csv:
        click.echo(study.front().to_csv(), nl=False)
    else:
        show_front(study)


@click.command()
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
    from ..live import progress
    from ..studies.confirm import confirm as confirm_front
    from ..studies.study import Study
    from ..terminal.study import show_front
    from ..terminal.tables import show_json

    study = Study.open(run)
    with progress() as listener:
        confirm_front(study, seconds=seconds, again=again, progress=listener)
    if as_json:
        show_json(study.to_json())
    else:
        show_front(study)


@click.command()
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
    from ..live import say
    from ..studies.report import write_figures, write_report
    from ..studies.study import Study

    study = Study.open(run)
    if figures is not None:
        say(f"wrote {len(write_figures(study, figures))} figures to {figures}")
    say(f"wrote {write_report(study, out or run / 'report.html')}")
