"""The ledger of a run: one SQLite file, whole tasks only, readable after a kill at any moment."""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from elbound.reports.document import parse, plain
from elbound.reports.row import Entry, Row

SCHEMA_VERSION = 3
APPLICATION_ID = 0x656C626F  # "elbo" in the file's header: tells a ledger from any other SQLite file

_TABLES = {
    "run": "CREATE TABLE run (document TEXT NOT NULL, closed INTEGER NOT NULL) STRICT",
    "entry": "CREATE TABLE entry (position INTEGER PRIMARY KEY, document TEXT NOT NULL) STRICT",
    "task": (
        "CREATE TABLE task (name TEXT PRIMARY KEY, executions INTEGER NOT NULL, confirmations INTEGER NOT NULL) "
        "STRICT, WITHOUT ROWID"
    ),
    "judged": (
        "CREATE TABLE judged (task TEXT NOT NULL, position INTEGER NOT NULL, identity TEXT NOT NULL, "
        "claim TEXT NOT NULL, version TEXT NOT NULL, verdict TEXT NOT NULL, ratio REAL, "
        "document TEXT NOT NULL, PRIMARY KEY (task, position)) STRICT, WITHOUT ROWID"
    ),
}


class LedgerError(ValueError):
    """A ledger that cannot be read or written; the message is one line."""


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except LedgerError:
        raise
    except (sqlite3.Error, ValueError, OSError) as error:
        detail = " ".join(str(error).split()) or type(error).__name__
        raise LedgerError(f"ledger {path}: {detail}") from error


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _set_aside(path: Path) -> None:
    """Renames a ledger to .previous together with its write-ahead log, which may hold its last tasks."""
    kept = _beside(path, ".previous")
    for suffix in ("-wal", "-shm"):
        _beside(kept, suffix).unlink(missing_ok=True)
    path.replace(kept)
    if _beside(path, "-wal").exists():
        _beside(path, "-wal").replace(_beside(kept, "-wal"))
    _beside(path, "-shm").unlink(missing_ok=True)


def _connect(path: Path, *, readonly: bool) -> sqlite3.Connection:
    """Read-only ledgers in a folder one may write to are opened rw, so that closing tidies the log away."""
    mode = "mode=rw"
    if readonly and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        mode = "mode=ro" if _beside(path, "-wal").exists() else "immutable=1"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None, timeout=30)
    connection.execute("PRAGMA trusted_schema = OFF")
    if readonly:
        connection.execute("PRAGMA query_only = ON")
    return connection


def _check(connection: sqlite3.Connection) -> None:
    """Refuses any file that is not exactly a ledger: a view in a foreign file could run for ever."""
    application, version = (connection.execute(f"PRAGMA {p}").fetchone()[0] for p in ("application_id", "user_version"))
    if application != APPLICATION_ID:
        raise ValueError("not an elbound ledger")
    if version != SCHEMA_VERSION:
        raise ValueError(f"written with schema {version}; this version reads schema {SCHEMA_VERSION}")
    found = set(connection.execute("SELECT type, name, sql FROM sqlite_master"))
    if found != {("table", name, sql) for name, sql in _TABLES.items()}:
        raise ValueError("its tables are not those of an elbound ledger")
    if (state := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise ValueError(f"damaged: {state}")
    if connection.execute("SELECT count(*) FROM run").fetchone()[0] != 1:
        raise ValueError("must describe exactly one run")


class Ledger:
    """Rows, catalogue entries and facts of one run in one SQLite file (write-ahead log).

    A task's rows and the note that it is finished are one transaction: after `kill -9` whole tasks are there
    and nothing else, and a resumed run skips `finished_tasks()`.

    Raises LedgerError: the file is missing, foreign, truncated, damaged or of another schema.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def create(cls, path: Path | str, run: Mapping[str, Any], *, fresh: bool = False) -> Self:
        """A new, empty ledger. With `fresh`, one that exists already is kept beside it as `.previous`.

        Raises LedgerError: something is at `path` and `fresh` was not asked for, or it cannot be written.
        """
        path = Path(path)
        with _explained(path):
            document = json.dumps(plain(run), sort_keys=True, allow_nan=False)
            parse(document)
            if path.exists() and (path.is_dir() or not fresh):
                raise ValueError("something is there already; resume it, or start fresh (the old one is kept)")
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                _set_aside(path)
            path.touch(exist_ok=False)
            ledger = cls(path, _connect(path, readonly=False))
            # A row of a kilobyte would spill from a page of the usual four kilobytes into one of its own.
            ledger._connection.execute("PRAGMA page_size = 16384")
            ledger._connection.execute("PRAGMA journal_mode = WAL")
            with ledger._transaction() as connection:
                for statement in _TABLES.values():
                    connection.execute(statement)
                connection.execute("INSERT INTO run VALUES (?, 0)", (document,))
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        return ledger

    @classmethod
    def open(cls, path: Path | str, *, readonly: bool = False) -> Self:
        """The ledger at `path`, checked before anything is read from it."""
        path = Path(path)
        with _explained(path):
            if not path.is_file():
                raise ValueError("no such file")
            connection = _connect(path, readonly=readonly)
            try:
                _check(connection)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; the last one to close folds the write-ahead log into it."""
        with _explained(self.path):
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def record_entries(self, entries: Iterable[Entry]) -> None:
        """Stores what the catalogue says of the claims of this run, in place of what was stored before.

        Raises LedgerError: two entries carry one name.
        """
        entries = list(entries)
        with _explained(self.path), self._transaction() as connection:
            _unique(entry.name for entry in entries)
            connection.execute("DELETE FROM entry")
            connection.executemany("INSERT INTO entry VALUES (?, ?)", enumerate(e.to_json() for e in entries))

    def finish(self, task: str, rows: Iterable[Row], *, executions: int = 0, confirmations: int = 0) -> None:
        """Stores a task's rows and how much evidence it weighed, and marks it finished, in one transaction.

        Raises LedgerError: the task is finished already, or the ledger cannot be written.
        """
        lines = [
            (task, i, r.identity, r.claim, r.version, str(r.verdict), r.ratio, r.to_json()) for i, r in enumerate(rows)
        ]
        with _explained(self.path), self._transaction() as connection:
            if connection.execute("SELECT 1 FROM task WHERE name = ?", (task,)).fetchone():
                raise ValueError(f"task {task!r} is finished already")
            connection.execute("INSERT INTO task VALUES (?, ?, ?)", (task, executions, confirmations))
            connection.executemany("INSERT INTO judged VALUES (?, ?, ?, ?, ?, ?, ?, ?)", lines)

    def finished_tasks(self) -> frozenset[str]:
        """The names of the tasks whose rows are all here."""
        with _explained(self.path):
            return frozenset(name for (name,) in self._connection.execute("SELECT name FROM task"))

    def evidence(self) -> tuple[int, int]:
        """Executions and confirmations of all finished tasks: what the run's error bound is made of."""
        query = "SELECT coalesce(sum(executions), 0), coalesce(sum(confirmations), 0) FROM task"
        with _explained(self.path):
            executions, confirmations = self._connection.execute(query).fetchone()
        return executions, confirmations

    def rows(
        self,
        *,
        claim: str | None = None,
        version: str | None = None,
        verdict: str | None = None,
        identity: str | None = None,
    ) -> Iterator[Row]:
        """The rows with these properties, in an order that does not depend on which task finished first."""
        wanted = {"claim": claim, "version": version, "verdict": verdict, "identity": identity}
        given = {name: str(value) for name, value in wanted.items() if value is not None}
        where = " AND ".join(f"{name} = :{name}" for name in given) or "1"
        query = (
            f"SELECT identity, claim, version, verdict, document FROM judged WHERE {where} "
            "ORDER BY claim, version, identity, task, position"
        )
        with _explained(self.path):
            for identity_, claim_, version_, verdict_, document in self._connection.execute(query, given):
                row = Row.from_json(document)
                if (row.identity, row.claim, row.version, row.verdict) != (
                    identity_,
                    claim_,
                    version_,
                    verdict_,
                ):
                    raise ValueError(f"row {identity_!r} contradicts its own columns")
                yield row

    def entries(self) -> list[Entry]:
        """The catalogue entries of this run, in the order in which they were recorded."""
        with _explained(self.path):
            documents = self._connection.execute("SELECT document FROM entry ORDER BY position").fetchall()
            entries = [Entry.from_json(document) for (document,) in documents]
            _unique(entry.name for entry in entries)
        return entries

    @property
    def run(self) -> dict[str, Any]:
        """The facts of the run, as it was created and closed."""
        with _explained(self.path):
            return parse(self._connection.execute("SELECT document FROM run").fetchone()[0])

    @property
    def closed(self) -> bool:
        """Whether the run came to its end."""
        with _explained(self.path):
            return bool(self._connection.execute("SELECT closed FROM run").fetchone()[0])

    def close_run(self, extra: Mapping[str, Any]) -> None:
        """Adds the facts known only at the end (wall time, executions, ...) and marks the run as complete."""
        with _explained(self.path):
            document = json.dumps({**self.run, **plain(extra)}, sort_keys=True, allow_nan=False)
            with self._transaction() as connection:
                connection.execute("UPDATE run SET document = ?, closed = 1", (document,))


def _unique(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"two entries are named {name!r}")
        seen.add(name)
