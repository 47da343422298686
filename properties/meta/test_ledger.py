import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import elbound
from elbound.properties.meta import synthetic
from elbound.reports.ledger import SCHEMA_VERSION, Ledger, LedgerError
from elbound.reports.render.page import render
from elbound.reports.row import Row, Verdict

WRITER = """
import sys
from collections.abc import Callable, Iterable, Iterator
from elbound.properties.meta import synthetic
from elbound.reports.ledger import Ledger
ledger = Ledger.create(sys.argv[1], synthetic.RUN)
ledger.record_entries(synthetic.entries())
for task in range(10**6):
    ledger.finish(f"task {task}", [synthetic.row("descent/sgd-sharp", 40 * task + i) for i in range(40)])
    print(task, flush=True)
"""


def documents(rows: Iterable[Row]) -> list[str]:
    return sorted(row.to_json() for row in rows)


def test_what_is_recorded_is_what_is_read(tmp_path: Path) -> None:
    rows, entries = synthetic.rows(), synthetic.entries()
    path = synthetic.write(tmp_path / "ledger.sqlite", rows, entries)
    with Ledger.open(path, readonly=True) as ledger:
        assert documents(ledger.rows()) == documents(rows)
        assert ledger.entries() == entries
        assert ledger.run == {**synthetic.RUN, "wall_s": 81.5}
        assert ledger.closed
        assert ledger.finished_tasks() == {"task 0", "task 50"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ledger.sqlite"]


def test_rows_are_found_by_what_they_are_and_hostile_names_are_only_names(tmp_path: Path) -> None:
    rows = synthetic.rows()
    name = "'; DROP TABLE judged; --"
    path = synthetic.write(tmp_path / "ledger.sqlite", [*rows, synthetic.row(name)], synthetic.entries())
    with Ledger.open(path, readonly=True) as ledger:
        assert [row.claim for row in ledger.rows(claim=name)] == [name]
        refuted = [row for row in rows if row.verdict is Verdict.REFUTED and row.version == ""]
        assert documents(ledger.rows(verdict="refuted", version="")) == documents(refuted)
        assert documents(ledger.rows(identity=rows[0].identity)) == documents([rows[0]])


def test_rows_come_in_one_order_whichever_task_finished_first(tmp_path: Path) -> None:
    rows = synthetic.rows()
    orders = []
    for tasks in (rows[:9], rows[9:]), (rows[9:], rows[:9]):
        with Ledger.create(tmp_path / "ledger.sqlite", {}, fresh=True) as ledger:
            for number, task in enumerate(tasks):
                ledger.finish(str(number), task)
            orders.append([row.to_json() for row in ledger.rows()])
    assert orders[0] == orders[1]


def test_a_task_is_stored_whole_or_not_at_all_and_only_once(tmp_path: Path) -> None:
    def broken() -> Iterator[Row]:
        yield synthetic.row("a")
        raise KeyboardInterrupt

    with Ledger.create(tmp_path / "ledger.sqlite", {}) as ledger:
        ledger.finish("one", [synthetic.row("a")])
        with pytest.raises(LedgerError, match="task 'one' is finished already"):
            ledger.finish("one", [synthetic.row("a", 1)])
        with pytest.raises(KeyboardInterrupt):
            ledger.finish("two", broken())
        ledger._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 5000)
        with pytest.raises(LedgerError, match="too big"):  # the third row fails when two are written
            ledger.finish("three", [synthetic.row("a", i, reason="x" * 2500 * i) for i in range(3)])
        assert len(list(ledger.rows())) == 1
        assert ledger.finished_tasks() == {"one"}
        assert not ledger.closed


def test_an_existing_ledger_is_never_lost(tmp_path: Path) -> None:
    path = synthetic.write(tmp_path / "ledger.sqlite", [synthetic.row("old")], [])
    with pytest.raises(LedgerError, match="already"):
        Ledger.create(path, {})
    open_still = Ledger.open(path)  # keeps its last task in the write-ahead log
    open_still.finish("late", [synthetic.row("late")])
    Ledger.create(path, {}, fresh=True).close()
    open_still.close()
    with Ledger.open(path) as ledger:
        assert not list(ledger.rows())
    with Ledger.open(tmp_path / "ledger.sqlite.previous") as previous:
        assert [row.claim for row in previous.rows()] == ["late", "old"]


def test_a_ledger_opened_read_only_cannot_be_written(tmp_path: Path) -> None:
    path = synthetic.write(tmp_path / "ledger.sqlite", [synthetic.row("a")], [])
    with Ledger.open(path, readonly=True) as ledger, pytest.raises(LedgerError, match="readonly"):
        ledger.finish("more", [])


@pytest.mark.parametrize("lines", [1, 7, 20])
def test_after_kill_9_whole_tasks_are_there_and_the_run_goes_on(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "ledger.sqlite"
    environment = {**os.environ, "PYTHONPATH": str(Path(elbound.__file__).parent.parent)}
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        told += [int(line) for line in writer.stdout]
    assert writer.returncode == -signal.SIGKILL
    with Ledger.open(path) as ledger:
        finished = ledger.finished_tasks()
        assert finished >= {f"task {number}" for number in told}
        expected = [
            synthetic.row("descent/sgd-sharp", 40 * task + i) for task in range(len(finished)) for i in range(40)
        ]
        assert documents(ledger.rows()) == documents(expected)
        assert not ledger.closed
        ledger.finish("resumed", [synthetic.row("descent/sgd-sharp")])
    page = render(path, tmp_path).read_text(encoding="utf-8")
    assert "did not come to its end" in page


def foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()


def later(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()


def endless_view(path: Path) -> None:
    """A file with a ledger's header in which reading the rows would never end."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("ALTER TABLE judged RENAME TO kept")
    endless = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r)"
    names = "n AS identity, n AS claim, n AS version, n AS verdict, n AS document, n AS task, n AS position"
    connection.execute(f"CREATE VIEW judged AS {endless} SELECT {names} FROM r")
    connection.close()


def contradiction(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE judged SET verdict = 'supported'")
    connection.close()


def wrong_document(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE judged SET document = '{}'")
    connection.close()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(b""), "not an elbound ledger"),
        (lambda path: path.write_bytes(b"hello\n" * 1000), "not a database"),
        (lambda path: path.write_bytes(path.read_bytes()[:9000]), "malformed"),
        (lambda path: (path.unlink(), path.mkdir()), "no such file"),
        (foreign, "not an elbound ledger"),
        (later, f"written with schema {SCHEMA_VERSION + 1}; this version reads schema {SCHEMA_VERSION}"),
        (endless_view, "tables are not those"),
        (contradiction, "contradicts its own columns"),
        (wrong_document, "Row: missing field"),
    ],
)
def test_a_file_that_is_no_ledger_is_refused_in_one_line(
    tmp_path: Path, damage: Callable[[Path], object], said: str
) -> None:
    path = synthetic.write(tmp_path / "ledger.sqlite", [synthetic.fallen("a", "")], [])
    damage(path)
    with pytest.raises(LedgerError, match=said) as caught, Ledger.open(path, readonly=True) as ledger:
        list(ledger.rows())
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    with Ledger.create(tmp_path / "ledger.sqlite", {}) as ledger:
        with pytest.raises(LedgerError, match="two entries are named 'a/b'"):
            ledger.record_entries([synthetic.entry("a", part="b"), synthetic.entry("a/b")])
        assert ledger.entries() == []


@pytest.mark.parametrize("run", [{"a": object()}, {"a": Path()}, {"a": "\ud800"}])
def test_facts_that_json_cannot_hold_are_refused_before_anything_is_written(
    tmp_path: Path, run: dict[str, Any]
) -> None:
    with pytest.raises(LedgerError):
        Ledger.create(tmp_path / "ledger.sqlite", run)
    assert not list(tmp_path.iterdir())


@given(
    edits=st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=6),
    length=st.integers(0, 2**20),
)
@settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_damaged_ledger_is_drawn_or_refused_and_nothing_else(
    tmp_path: Path, edits: list[tuple[int, int]], length: int
) -> None:
    whole = tmp_path / "whole.sqlite"
    if not whole.exists():
        synthetic.write(whole, synthetic.rows(25), synthetic.entries())
    content = bytearray(whole.read_bytes())
    for place, value in edits:
        content[place % len(content)] = value
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(content[: len(content) if length % 3 else length % len(content)])
    page = synthetic.made_or_refused(lambda: render(damaged, tmp_path))
    assert page is None or page.read_text(encoding="utf-8").rstrip().endswith("</html>")
