"""A run is resumed only with the file, the sources and the versions it began with; what differs is told in one line."""

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elbound.properties import fingerprints
from elbound.properties.cli import main
from elbound.properties.fingerprints import file_digest, package_digest
from elbound.properties.meta.own_squares import SQUARES
from elbound.reports.ledger import Ledger

FILE = "from helpers.scale import SCALE\n" + SQUARES + "squares = Squares()\nBELOW = Claim(SQUARE, Le(y, SCALE * x))\n"
CHECK = ("--profile", "quick", "--workers", "1", "--output")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a user's file, what it imports and its report."""
    folder = tmp_path_factory.mktemp("begun")
    (folder / "helpers").mkdir()
    (folder / "helpers" / "scale.py").write_text("SCALE = 1\n")
    (folder / "mine.py").write_text(FILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        assert main(["check", str(folder / "mine.py"), *CHECK, str(folder / "out")]) == 0
    return folder


def resumed(folder: Path, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> tuple[int, str]:
    """The exit code of resuming the run of a folder, and what was said of it on standard error."""
    patch.syspath_prepend(str(folder))
    capsys.readouterr()
    code = main(["check", str(folder / "mine.py"), *CHECK, str(folder / "out"), "--resume"])
    return code, capsys.readouterr().err


def forged(ledger: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes what a ledger says of its run."""
    with contextlib.closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        run = json.loads(connection.execute("SELECT document FROM run").fetchone()[0])
        change(run)
        connection.execute("UPDATE run SET document = ?", (json.dumps(run, sort_keys=True),))


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "another torch": (lambda run: run["versions"].update(torch="0.1"), "was made with torch '0.1', not '"),
    "another elbound": (lambda run: run["versions"].update(elbound="0.0.1"), "was made with elbound '0.0.1', not '"),
    "another Python": (lambda run: run["versions"].update(python="3.11.0b1"), "with python '3.11.0b1', not '"),
    "a library that is gone": (lambda run: run["versions"].update(gone="1"), "was made with gone '1', not None"),
    "an edited catalogue": (lambda run: run.update(sources="0"), "before a change of the source code of elbound"),
    "an earlier ledger": (lambda run: run.pop("sources"), "does not tell the source code of elbound"),
    "versions that are none": (lambda run: run.update(versions=3), "versions"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_run_of_other_sources_or_versions_is_not_resumed(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    change, words = CHANGES[name]
    out = Path(shutil.copytree(finished / "out", tmp_path / "out"))
    forged(out / "ledger.sqlite", change)
    before = (out / "ledger.sqlite").read_bytes()
    monkeypatch.syspath_prepend(str(finished))
    assert main(["check", str(finished / "mine.py"), *CHECK, str(out), "--resume"]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert str(out) in said
    assert (out / "ledger.sqlite").read_bytes() == before


@pytest.mark.parametrize("edited", ["mine.py", "helpers/scale.py"])
def test_a_run_whose_file_was_edited_is_not_resumed_until_the_edit_is_undone(
    finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, edited: str
) -> None:
    path, known = finished / edited, (finished / edited).read_text()
    path.write_text(known + "\n# another thought\n")
    try:
        code, said = resumed(finished, capsys, monkeypatch)
    finally:
        path.write_text(known)
    assert code == 2
    assert "made before a change of the content of the file, or of what it imports from its folder" in said
    assert said.count("\n") == 1
    with Ledger.open(finished / "out" / "ledger.sqlite", readonly=True) as ledger:
        rows = list(ledger.rows())
    assert resumed(finished, capsys, monkeypatch) == (0, "")
    with Ledger.open(finished / "out" / "ledger.sqlite", readonly=True) as ledger:
        assert list(ledger.rows()) == rows


def test_a_file_is_known_by_its_content_and_by_what_it_imports_from_its_folder(tmp_path: Path) -> None:
    def written(name: str, source: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        return file_digest(tmp_path / "mine.py")

    seen = [
        written("mine.py", "import numpy\n"),
        written("mine.py", "import one\n"),
        written("one.py", "def f():\n    from two import three\n"),
        written("two/__init__.py", ""),
        written("two/three.py", "import one\n"),
        written("two/three.py", "import one, mine\n"),
    ]
    assert len(set(seen)) == len(seen)
    assert written("four.py", "") == written("two/four.py", "this is no Python") == seen[-1]


def test_the_package_is_known_by_its_modules_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = package_digest()
    copies = []
    for folder in fingerprints._folders():
        copies.append(tmp_path / folder.name)
        shutil.copytree(folder, copies[-1], ignore=shutil.ignore_patterns("__pycache__", "latest", "meta", "oracles"))
    monkeypatch.setattr(fingerprints, "_folders", lambda: iter(copies))
    package_digest.cache_clear()
    try:
        assert package_digest() == known
        path = tmp_path / "theory" / "descent" / "sgd_sharp.py"
        path.write_text(path.read_text() + "\n")
        package_digest.cache_clear()
        assert package_digest() != known
    finally:
        package_digest.cache_clear()
