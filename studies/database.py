"""A database as the record of a study: opened by its URL, looked through for what changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from ..errors import UsageError

_TRIALS = sqlalchemy.table(
    "trials",
    sqlalchemy.column("study_id", sqlalchemy.Integer),
    sqlalchemy.column("number", sqlalchemy.Integer),
    sqlalchemy.column("state", sqlalchemy.Enum(TrialState)),
)


def open_database(url: str) -> RDBStorage:
    """The storage at an SQLAlchemy URL.

    SQLite is opened in WAL mode and takes its write lock when a transaction begins; without that
    two processes can start the same waiting trial.

    Raises:
        UsageError: not a URL, no driver for it, or no such server.
    """
    try:
        parsed = sqlalchemy.make_url(url)
        storage = RDBStorage(url, engine_kwargs=engine_options(parsed.get_backend_name()))
    except (ImportError, sqlalchemy.exc.SQLAlchemyError) as error:
        raise cannot_open(url, error) from error
    if parsed.get_backend_name() == "sqlite":
        begin_immediately(storage.engine)
    return storage


def lasting_url(url: str) -> str:
    """The URL as it names the same database from any folder.

    Raises:
        UsageError: not a URL, or a database in memory, which ends with the launcher.
    """
    try:
        parsed = sqlalchemy.make_url(url)
    except sqlalchemy.exc.ArgumentError as error:
        raise cannot_open(url, error) from error
    if parsed.get_backend_name() != "sqlite":
        return url
    path = parsed.database or ""
    if path in ("", ":memory:") or "mode=memory" in url:
        raise UsageError(f"--storage must outlive the launcher, {url!r} is a database in memory")
    if path.startswith("file:"):
        return url
    return parsed.set(database=str(Path(path).absolute())).render_as_string(hide_password=False)


def engine_options(backend: str) -> dict[str, Any]:
    """What SQLAlchemy's engine needs to live through contention and dropped connections."""
    if backend == "sqlite":
        return {"connect_args": {"timeout": 60}}
    return {"pool_pre_ping": True}


def cannot_open(url: str, error: Exception) -> UsageError:
    """The error for a URL that names no database that can be opened."""
    cause = str(error).strip().splitlines()[0]
    return UsageError(
        f"--storage must name a database that can be opened, got {without_password(url)!r}: {cause}"
    )


def without_password(url: str) -> str:
    """The URL as it may be printed."""
    try:
        return sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        return url


def begin_immediately(engine: sqlalchemy.Engine) -> None:
    """Make an SQLite engine take the write lock at the start of every transaction."""

    def on_connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # else the driver begins, late, by itself
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    def on_begin(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    sqlalchemy.event.listen(engine, "connect", on_connect)
    sqlalchemy.event.listen(engine, "begin", on_begin)
    engine.dispose()


def open_states(storage: RDBStorage, study_id: int, known: int) -> dict[int, TrialState]:
    """States by number: of all unfinished trials, and of those with a number from ``known`` on.

    One short query. Optuna reads a trial with all its parameters, and a thousand that run would be
    read for every proposal.
    """
    columns = _TRIALS.c
    unfinished = columns.state.in_([TrialState.RUNNING, TrialState.WAITING])
    query = sqlalchemy.select(columns.number, columns.state).where(
        columns.study_id == study_id, unfinished | (columns.number >= known)
    )
    with storage.engine.connect() as connection:
        return {number: state for number, state in connection.execute(query)}
