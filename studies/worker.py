"""One worker process: ``python -m hierprune.studies.worker``, JSON lines in and out.

In comes first ``{"recipe": {...}, "run": folder, "path": [...]}``, then ``{"trial": {...}}``, one
at a time. Out goes ``{"ready": true}`` or ``{"broken": traceback}``, then an ``{"outcome": {...}}``
for each trial, after it was spooled. What the recipe prints goes to standard error.

The end of the input means that the launcher is gone or done: the running trial is finished and
spooled, then the process ends. Ctrl-C is the launcher's business and ignored here.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import IO, Any

from .executor import Recipe, RecipeSpec, evaluate
from .spool import Spool
from .trial import Outcome, Trial

Message = dict[str, Any]


def main() -> None:
    """Serve the launcher on the other end of standard input and output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = claim_stdout()
    messages = read_messages(claim_stdin())
    hello = messages.get()
    if hello is None:
        return
    sys.path[:] = hello["path"]
    recipe = build(RecipeSpec(**hello["recipe"]), replies)
    if recipe is not None:
        serve(recipe, Spool(Path(hello["run"]) / "spool"), messages, replies)


def claim_stdin() -> IO[str]:
    """The launcher's end of standard input, as ours alone; what others read is empty from now.

    Whoever reads holds the lock of the file object: a process forked meanwhile, such as a worker of
    a ``DataLoader``, would wait for it forever when it closes ``sys.stdin``.
    """
    messages = os.fdopen(os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return messages


def claim_stdout() -> IO[str]:
    """The launcher's end of standard output, as ours alone; prints go to standard error from now.

    It is the file descriptor that is moved, so that prints of C libraries follow.
    """
    sys.stdout.flush()
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return replies


def read_messages(source: IO[str]) -> queue.Queue[Message | None]:
    """Read lines in the background; None marks the end."""
    messages: queue.Queue[Message | None] = queue.Queue()

    def read() -> None:
        for line in source:
            messages.put(json.loads(line))
        messages.put(None)

    threading.Thread(target=read, daemon=True).start()
    return messages


def build(spec: RecipeSpec, replies: IO[str]) -> Recipe | None:
    """The recipe, or None when its factory failed; the launcher is told either way."""
    try:
        recipe = spec.build()
    except (Exception, SystemExit):
        reply(replies, {"broken": traceback.format_exc()})
        return None
    reply(replies, {"ready": True})
    return recipe


def serve(
    recipe: Recipe, spool: Spool, messages: queue.Queue[Message | None], replies: IO[str]
) -> None:
    """Run trials until the input ends."""
    while (message := messages.get()) is not None:
        outcome = evaluate(recipe, Trial.from_json(message["trial"]))
        put_aside(spool, outcome)
        reply(replies, {"outcome": outcome.to_json()})


def put_aside(spool: Spool, outcome: Outcome) -> None:
    """Spool an outcome; a full disk costs the safety net, not the outcome."""
    try:
        spool.put(outcome)
    except OSError:
        traceback.print_exc()


def reply(replies: IO[str], message: Message) -> None:
    """Send one line; a launcher that is gone does not hear it."""
    try:
        replies.write(json.dumps(message) + "\n")
        replies.flush()
    except BrokenPipeError:
        sys.exit(0)


if __name__ == "__main__":
    main()
