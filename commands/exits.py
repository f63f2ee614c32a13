"""Exit codes: errors end a command with a paragraph, not with a traceback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ..errors import NoModelError, UsageError

EXIT_ERROR, EXIT_USAGE, EXIT_NO_MODEL, EXIT_STOPPED = 1, 2, 3, 130


def exit_code(command: Callable[[], Any], *, debug: bool = False) -> int:
    """Run a command and give its exit code; see the table in the README.

    Args:
        command: to be run.
        debug: let errors that nobody foresaw through.
    """
    try:
        result = command()
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
        if debug:
            raise
        return complain(error, EXIT_ERROR)


def complain(error: BaseException, code: int) -> int:
    """One paragraph on stderr, then the exit code."""
    text = str(error) or type(error).__name__
    kind = "" if isinstance(error, ValueError | RuntimeError) else f"{type(error).__name__}: "
    click.echo(f"hierprune: {kind}{text}", err=True)
    return code
