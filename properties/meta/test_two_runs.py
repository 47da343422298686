"""Two runs in one folder: the second is refused in one line, whatever command it is; those that only read are not."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from elbound.properties.cli import main
from elbound.properties.folder_lock import NAME, Occupied, alone_in
from elbound.properties.meta.own_squares import SQUARES
from elbound.reports.compare import read_run
from elbound.reports.ledger import Ledger

ELBOUND = (sys.executable, "-m", "elbound.properties")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
TIMEOUT = 300
PAIR = SQUARES + "squares = Squares()\nTRUE = Claim(SQUARE, Le(y, x))\nFALSE = Claim(SQUARE, Le(y, x / 2))\n"
HOLDER = """
import sys
from pathlib import Path
from elbound.properties.folder_lock import alone_in
with alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
# Counts up a number in a file, which two at once would lose some of; prints how often it was kept out.
COUNTER = """
import sys
from pathlib import Path
from elbound.properties.folder_lock import Occupied, alone_in
folder, refused = Path(sys.argv[1]), 0
print("ready", flush=True)
sys.stdin.readline()
for _ in range(100):
    while True:
        try:
            with alone_in(folder):
                count = folder / "count"
                count.write_text(str(int(count.read_text()) + 1))
            break
        except Occupied as holder:
            assert "process " in str(holder), holder
            refused += 1
print(refused)
"""


def started(source: str, folder: Path) -> subprocess.Popen[str]:
    """A Python process that has said its first word."""
    process = subprocess.Popen(
        [sys.executable, "-c", source, str(folder)],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() in {"held\n", "ready\n"}
    return process


@contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a folder."""
    with started(HOLDER, folder) as process:
        try:
            yield process
        finally:
            process.kill()


def test_of_many_processes_one_at_a_time_is_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    processes = [started(COUNTER, tmp_path) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    refused = [int(process.communicate(timeout=TIMEOUT)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert (tmp_path / "count").read_text() == "400"
    assert sum(refused) > 0
    assert [path.name for path in tmp_path.iterdir()] == ["count"]


def test_a_killed_process_holds_its_folder_no_longer(tmp_path: Path) -> None:
    with held(tmp_path) as process:
        with pytest.raises(Occupied, match=f"process {process.pid}"), alone_in(tmp_path):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (tmp_path / NAME).exists()
        with alone_in(tmp_path):
            assert (tmp_path / NAME).read_text() == f"process {os.getpid()}"
    assert not (tmp_path / NAME).exists()


def test_another_folder_is_free(tmp_path: Path) -> None:
    with held(tmp_path / "one"), alone_in(tmp_path / "two"):
        assert (tmp_path / "two" / NAME).exists()


@pytest.mark.parametrize("first", ["true", "false"])
def test_of_two_runs_started_together_in_the_default_folder_one_is_refused_and_the_other_is_whole(
    tmp_path: Path, first: str
) -> None:
    (tmp_path / "pair.py").write_text(PAIR)
    second = {"true": "false", "false": "true"}[first]
    words = {name: [*ELBOUND, "check", "pair.py", f"pair/{name}", "--profile", "quick"] for name in (first, second)}
    pipes = {"cwd": tmp_path, "env": ENVIRONMENT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    runs = {name: subprocess.Popen(command, **pipes) for name, command in words.items()}  # type: ignore[call-overload]
    said = {name: run.communicate(timeout=TIMEOUT) for name, run in runs.items()}
    codes = {name: run.returncode for name, run in runs.items()}
    folder = tmp_path / "elbound-report" / "pair"
    own = {"true": 0, "false": 1}
    refused = [name for name in runs if codes[name] == 2]
    for name in refused:
        (other,) = runs.keys() - {name}
        assert said[name][0] == ""
        assert said[name][1].count("\n") == 1
        assert f"a run is under way there (process {runs[other].pid})" in said[name][1]
    assert {name: code for name, code in codes.items() if name not in refused} == {
        name: own[name] for name in runs if name not in refused
    }
    assert len(refused) == 1, said
    with Ledger.open(folder / "ledger.sqlite", readonly=True) as ledger:
        assert ledger.closed
        assert {row.claim for row in ledger.rows()} == {f"pair/{name}" for name in runs if name not in refused}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a user's file and the report of it."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "pair.py").write_text(PAIR)
    assert (
        main(["check", str(folder / "pair.py"), "pair/true", "--profile", "quick", "--output", str(folder / "out")])
        == 0
    )
    return folder


@pytest.mark.parametrize("command", ["verify", "power", "check", "resume", "sweep", "pytest"])
def test_every_command_that_writes_a_run_is_refused_where_another_process_holds_the_folder(
    finished: Path, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(finished / "out", folder)
    claim, file = ("smoothness/soft-clipping/slope", "--profile", "quick"), str(finished / "pair.py")
    with held(tmp_path / "empty") as one, held(folder) as other:
        if command == "pytest":
            words = ["-m", "pytest", "-q", file, "-k", "true and stands", "--elbound-report", str(folder)]
            words += ["-p", "no:cacheprovider"]
            said = subprocess.run(
                [sys.executable, *words], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=TIMEOUT
            )
            assert said.returncode != 0
            told, holder = said.stdout, other
        else:
            words, holder = {
                "verify": (["verify", *claim, "--output", str(tmp_path / "empty")], one),
                "power": (["power", *claim, "--output", str(tmp_path / "empty")], one),
                "check": (["check", file, "--output", str(folder)], other),
                "resume": (["check", file, "--output", str(folder), "--resume"], other),
                "sweep": (["sweep", "beta", "--steps", "2", "--output", str(tmp_path / "empty")], one),
            }[command]
            assert main(words) == 2
            out, told = capsys.readouterr()
            assert (out, told.count("\n")) == ("", 1)
        assert f"a run is under way there (process {holder.pid})" in told
        assert str(tmp_path) in told


def test_commands_that_read_are_not_refused(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out"
    shutil.copytree(finished / "out", folder)
    with Ledger.open(folder / "ledger.sqlite", readonly=True) as ledger:
        identity = next(row.identity for row in ledger.rows(version=""))
    with held(folder):
        assert main(["report", str(folder)]) == 0
        assert main(["replay", identity, str(finished / "pair.py"), "--output", str(folder)]) == 0
        assert main(["compare", str(finished / "out"), str(folder), "--output", str(folder)]) == 0
    assert "identical, bit for bit" in capsys.readouterr().out
    assert read_run(folder).stands.keys() == {"pair/true"}
