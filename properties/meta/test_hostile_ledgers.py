"""A thousand damaged and hostile ledgers before every command that reads one: read, or refused in one line."""

import contextlib
import json
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from elbound.properties import run
from elbound.properties.campaign import Task, run_task, tasks_of
from elbound.properties.cli import main
from elbound.properties.docket import Brief, docket_of
from elbound.properties.limits import stopped_after
from elbound.properties.meta import synthetic
from elbound.properties.run import facts_of
from elbound.reports.compare import Comparison, Run, compare, read_run
from elbound.reports.ledger import Ledger, LedgerError
from elbound.reports.row import LADDER, Row

FUZZED, KINDS = 1_000, 4
CLAIM = "smoothness/soft-clipping/slope"
BRIEF = Brief("quick", (CLAIM,))
# Far above what any of the commands needs on so small a ledger.
PATIENCE = 60
HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 2**62, 1e308, 10**400, "nan", "\ud800", [], {}, [[]], {"": {}}, {"float": "inf"}),
    *("__import__('os').abort()", "../../outside", synthetic.HOSTILE),
)
NUMBERS = (-(2**63), -1, 2**62, 2**63 - 1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one claim: its named instance, its wrong versions, three mutants."""
    path = tmp_path_factory.mktemp("whole") / "ledger.sqlite"
    found = run_task(BRIEF, Task("smoothness/soft-clip", "instances"))
    mutants = [row for row in found.rows if row.version.startswith(LADDER)][:3]
    with Ledger.create(path, facts_of(BRIEF)) as ledger:
        ledger.record_entries(docket_of(BRIEF).entries())
        first, *others = tasks_of(BRIEF)
        ledger.finish(first.name, [*(row for row in found.rows if not row.version.startswith(LADDER)), *mutants])
        for task in others:
            ledger.finish(task.name, [])
        ledger.close_run({"wall_s": 1.0, "executions": 0, "achieved_false_refutation_bound": 0.0})
    return path


@pytest.fixture
def judging_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed run takes what tasks the ledger lacks for judged: this is about what it reads."""

    def nothing(*_: object) -> Iterator[Any]:
        yield from ()

    monkeypatch.setattr(run, "judging", nothing)


def commands(whole: Path, damaged: Path, identity: str) -> Iterator[tuple[str, ...]]:
    """Every command that reads a ledger."""
    folder, run_options = str(damaged.parent), (CLAIM, "--profile", "quick", "--output", str(damaged.parent))
    yield ("report", folder)
    yield ("replay", identity, "--output", folder)
    yield ("compare", str(whole), str(damaged), "--output", folder)
    yield ("power", *run_options, "--resume")
    yield ("verify", *run_options, "--resume", "--baseline", str(damaged))


def holders(document: Any) -> list[Any]:
    found = [document]
    for holder in found:
        values = holder.values() if isinstance(holder, dict) else holder
        found += [value for value in values if isinstance(value, dict | list) and value]
    return found


def changed(document: str, draw: random.Random) -> str:
    """A JSON document with one value or name replaced by something hostile."""
    root = json.loads(document)
    chosen = draw.choice(holders(root))
    where = draw.choice(list(chosen)) if isinstance(chosen, dict) else draw.randrange(len(chosen))
    if isinstance(chosen, dict) and draw.random() < 0.1:
        chosen[synthetic.HOSTILE] = chosen.pop(where)
    else:
        chosen[where] = draw.choice(HOSTILE)
    return json.dumps(root, sort_keys=True)


def falsified(path: Path, draw: random.Random) -> None:
    """Changes one thing in a sound ledger; a row's columns follow where they can, so that only its meaning is wrong."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        table = draw.choice(["run", "entry", "judged", "judged", "judged", "task"])
        if table == "task":
            column, number = draw.choice(["executions", "confirmations"]), draw.choice(NUMBERS)
            connection.execute(f"UPDATE task SET {column} = ?", (number,))
            return
        old = draw.choice(connection.execute(f"SELECT document FROM {table}").fetchall())[0]
        new = changed(old, draw)
        connection.execute(f"UPDATE {table} SET document = ? WHERE document = ?", (new, old))
        with contextlib.suppress(ValueError):
            row = Row.from_json(new)
            columns = (row.identity, row.claim, row.version, str(row.verdict), row.ratio, new)
            named = "identity = ?, claim = ?, version = ?, verdict = ?, ratio = ?"
            connection.execute(f"UPDATE judged SET {named} WHERE document = ?", columns)


def damage(path: Path, seed: int) -> None:
    """Cuts the file short, replaces bytes, or changes what it says."""
    draw, content = random.Random(seed), bytearray(path.read_bytes())
    match seed % KINDS:
        case 0:
            path.write_bytes(content[: draw.randrange(len(content))])
        case 1:
            for _ in range(draw.randint(1, 8)):
                content[draw.randrange(len(content))] = draw.randrange(256)
            path.write_bytes(content)
        case _:
            falsified(path, draw)


def identities(path: Path) -> list[str]:
    """Of the rows in a ledger; none in one that is refused."""
    with contextlib.suppress(LedgerError), Ledger.open(path, readonly=True) as ledger:
        return [row.identity for row in ledger.rows()]
    return []


def compared(sound: Run, path: Path) -> Comparison:
    return compare(sound, read_run(path))


@pytest.mark.usefixtures("judging_nothing")
def test_the_ledger_is_read_by_every_command_before_it_is_damaged(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copy(whole, tmp_path))
    for identity in identities(whole):
        for words in commands(whole, copy, identity):
            assert main(words) == 0, (words, capsys.readouterr())
    assert capsys.readouterr().out.count("identical, bit for bit") == len(identities(whole))


@pytest.mark.usefixtures("judging_nothing")
def test_a_thousand_damaged_ledgers_are_read_or_refused_in_one_line(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known, sound, folder = identities(whole), read_run(whole), tmp_path / "case"
    outcomes = Counter[tuple[str, bool]]()
    for seed in range(FUZZED):
        folder.mkdir()
        path = Path(shutil.copy(whole, folder))
        damage(path, seed)
        synthetic.made_or_refused(partial(compared, sound, path))
        fresh = [identity for identity in identities(path) if identity not in known]
        every = list(commands(whole, path, (fresh or known)[0]))
        # Each kind of damage meets each command in turn.
        words = every[seed // KINDS % len(every)]
        with stopped_after(PATIENCE):
            code = main(words)
        _, err = capsys.readouterr()
        assert code in {0, 1, 2}, (seed, words)
        assert not err or (code == 2 and err.startswith("elbound: ") and err.count("\n") == 1), (seed, words, err)
        outcomes[words[0], bool(err)] += 1
        assert [entry.name for entry in tmp_path.iterdir()] == ["case"], seed
        shutil.rmtree(folder)
    assert outcomes.total() == FUZZED
    for name in {name for name, _ in outcomes}:
        # Of every fifth of the cases at least a tenth are refused, and a tenth are read.
        assert min(outcomes[name, False], outcomes[name, True]) >= FUZZED / 50, outcomes
