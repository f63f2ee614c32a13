"""Fetching a data set, without making a machine that has no network wait."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.request import Request, urlopen

import pooch

from .idx import IdxSet, is_canonical, read_file

ANSWER_SECONDS = 4.0  # how long all mirrors together may take to answer at all
READ_SECONDS = 10.0  # without a byte, in a download


def download(files: IdxSet, folder: Path) -> bool:
    """Fetch what the folder lacks from the first mirror that has it; False when none answers."""
    pooch.get_logger().setLevel(logging.WARNING)
    mirrors = answering(files.mirrors)
    return bool(mirrors) and all(
        fetch(replace(files, mirrors=mirrors), folder, name) for name in files.sums
    )


def answering(mirrors: tuple[str, ...]) -> tuple[str, ...]:
    """The mirrors that answer soon; all are asked at once, none is waited for."""
    found: list[str] = []

    def ask(mirror: str) -> None:
        with suppress(OSError):
            question = Request(f"{mirror}/t10k-labels-idx1-ubyte.gz", method="HEAD")
            with urlopen(question, timeout=ANSWER_SECONDS):
                found.append(mirror)

    threads = [threading.Thread(target=ask, args=(m,), daemon=True) for m in mirrors]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + ANSWER_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return tuple(sorted(found, key=mirrors.index))


def fetch(files: IdxSet, folder: Path, name: str) -> bool:
    """Have one canonical file in the folder; False when no mirror gave it."""
    for mirror in files.mirrors:
        data = read_file(folder, name)
        if data is not None and is_canonical(files, name, data):
            return True
        (folder / f"{name}.gz").unlink(missing_ok=True)
        try:
            pooch.retrieve(
                f"{mirror}/{name}.gz",
                known_hash=None,
                fname=f"{name}.gz",
                path=folder,
                downloader=pooch.HTTPDownloader(timeout=READ_SECONDS),
            )
        except OSError:
            continue
    data = read_file(folder, name)
    return data is not None and is_canonical(files, name, data)
