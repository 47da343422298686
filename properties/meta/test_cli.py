"""The command `elbound` from outside: refusals, good runs, kills and interrupts, and a user's own analysis.

Every run is a process of its own. The long ones are all started at the first test that asks for one, two at a time;
the many short ones are forks of a process that has imported everything already, since most of their time is imports.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from elbound.properties.cli import PROFILES
from elbound.properties.docket import PROFILES as KNOWN_PROFILES
from elbound.reports.ledger import Ledger, LedgerError
from elbound.reports.row import Row, Verdict

ELBOUND = (sys.executable, "-m", "elbound.properties")
TIMEOUT = 300
AT_ONCE = 2
# A shell's background jobs ignore interrupts, and so would all that they start, these tests' runs among them.
LISTENING = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# Four tasks of a second or so each, two claims with wrong versions, equalities and a finding among them.
PATTERNS = ("importance/two-*", "estimators/variance-split", "findings/iwae-one-over-k")
QUICK = ("--profile", "quick")
IDENTICAL = "identical, bit for bit"


@dataclass(frozen=True)
class Said:
    """What a finished command said."""

    code: int
    out: str
    err: str


def elbound(*words: str, folder: Path) -> Said:
    """Runs the command in a folder."""
    run = subprocess.run(
        [*ELBOUND, *words], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=TIMEOUT
    )
    return Said(run.returncode, run.stdout, run.stderr)


def refusal(said: Said) -> str:
    """The one line of a refusal, after checking that it is all there was."""
    assert said.code == 2, said
    assert said.out == ""
    assert said.err.startswith("elbound: ")
    assert said.err.count("\n") == 1
    assert said.err.endswith("\n")
    return said.err


def rows_of(folder: Path) -> list[Row]:
    with Ledger.open(folder / "ledger.sqlite", readonly=True) as ledger:
        return list(ledger.rows())


def timeless(folder: Path) -> list[str]:
    """The rows of a run without their seconds, in the ledger's order."""
    return [replace(row, seconds=0.0).to_json() for row in rows_of(folder)]


def tasks_of(folder: Path) -> frozenset[str]:
    """The finished tasks of a run; none while its ledger is still being made."""
    try:
        with Ledger.open(folder / "ledger.sqlite", readonly=True) as ledger:
            return ledger.finished_tasks()
    except LedgerError:
        return frozenset()


def evidence_of(folder: Path) -> tuple[int, int]:
    with Ledger.open(folder / "ledger.sqlite", readonly=True) as ledger:
        return ledger.evidence()


def summary_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return found


Warm = Callable[[Sequence[str], Path], Said]

# Refusals

HEADER = """
from sympy import Le, Symbol, sqrt
from elbound.theory.claim import Claim
from elbound.theory.evaluate import LogGap
from elbound.theory.settings import IWAE, SGD_RUN, SMOOTH, UNBIASED, WEIGHT_AWAY_FROM_ZERO, WEIGHT_VARIANCE, total
from elbound.theory.symbols import C, Delta, K, L, a, chi2, gap, sigma2, t, w_min
"""
FIRST = HEADER.count("\n") + 1  # the line after the header

SOURCES = {
    "syntax.py": HEADER + "BOUND = (\n",
    "raises.py": HEADER + "BOUND = 1 / 0\n",
    "exits.py": HEADER + "raise SystemExit(0)\n",
    "empty.py": HEADER + "BOUND = Le(a[1], Delta)\n",
    "symbol.py": HEADER + "BOUND = Claim(SGD_RUN, Le(a[1], Symbol('nonsense')))\n",
    "decided.py": HEADER + "BOUND = Claim(SGD_RUN, Le(1, 2))\n",
    "complex.py": HEADER + "BOUND = Claim(SGD_RUN, Le(a[1], sqrt(-1 - Delta)))\n",
    "notes.txt": HEADER,
}
TABLE = np.random.default_rng(0).normal(size=(24, 3))


def marred(row: int, column: int, value: float) -> np.ndarray:
    table = TABLE.copy()
    table[row, column] = value
    return table


ARRAYS = {
    "nan.npy": marred(4, 1, np.nan),
    "infinite.npy": marred(0, 0, np.inf),
    "constant.npy": TABLE * 0,
    "vector.npy": TABLE[:, 0],
    "cube.npy": TABLE[None],
    "two.npy": TABLE[:2],
    "pickled.npy": np.array([{1: 2}], dtype=object),
}

VERIFY = ("verify", "importance/*", *QUICK)
REFUSED: Mapping[tuple[str, ...], tuple[str, ...]] = {
    (): ("required", "command"),
    ("frobnicate",): ("frobnicate", "verify", "check", "replay", "report"),
    ("list", "everything"): ("everything", "claims", "settings"),
    ("show", "nonsense"): ("'nonsense': unknown", "all: elbound list, elbound list settings"),
    ("show", "sgd-runs"): ("'sgd-runs': unknown", "did you mean", "sgd-run", "all: elbound list"),
    ("show", "descent/sgd-sharpe"): ("'descent/sgd-sharpe': unknown", "did you mean", "descent/sgd-sharp"),
    ("verify", "nonsense", *QUICK): ("'nonsense': unknown", "all: elbound list"),
    ("verify", "two-sided-gap", *QUICK): ("'two-sided-gap': unknown", "did you mean", "importance/two-sided-gap"),
    ("verify", "importance/*", "nonsense/*", *QUICK): ("'nonsense/*': unknown", "all: elbound list"),
    ("verify", "importance/*", "--profile", "wrong"): ("--profile", "'wrong'", *PROFILES),
    (*VERIFY, "--device", "tpu"): ("--device", "'tpu'", "auto", "cpu", "cuda"),
    (*VERIFY, "--nonsense"): ("--nonsense",),
    (*VERIFY, "--workers", "0"): ("--workers", "'0'", "from 1 to 1024"),
    (*VERIFY, "--workers", "x"): ("--workers", "'x'", "from 1 to 1024"),
    (*VERIFY, "--workers"): ("--workers", "expected one argument"),
    (*VERIFY, "--epoch", "-1"): ("--epoch", "from 0 to 2147483647"),
    (*VERIFY, "--epoch", "9" * 5_000): ("--epoch", "from 0 to 2147483647"),
    (*VERIFY, "--block", "0"): ("--block", "'0'", "from 1 to 65536"),
    (*VERIFY, "--output", "file"): ("output file", "cannot be written", "folder"),
    (*VERIFY, "--output", "file/below"): ("output file/below", "cannot be written", "folder"),
    (*VERIFY, "--output", "in the way"): ("output in the way", "index.html", "folder"),
    (*VERIFY, "--data", "nan.npy"): ("nan.npy", "row 5, column 2", "finite"),
    (*VERIFY, "--data", "nan.csv"): ("nan.csv", "row 2, column 1", "finite"),
    (*VERIFY, "--data", "infinite.npy"): ("infinite.npy", "row 1, column 1", "finite"),
    (*VERIFY, "--data", "constant.npy"): ("constant.npy", "every column is constant", "vary"),
    (*VERIFY, "--data", "vector.npy"): ("vector.npy", "(24,)", "[rows, columns]"),
    (*VERIFY, "--data", "cube.npy"): ("cube.npy", "(1, 24, 3)", "[rows, columns]"),
    (*VERIFY, "--data", "two.npy"): ("two.npy", "2 rows", "at least 3"),
    (*VERIFY, "--data", "missing.npy"): ("missing.npy", "does not exist"),
    (*VERIFY, "--data", "syntax.py"): ("syntax.py", "'.py'", ".npy, .npz, .csv"),
    (*VERIFY, "--data", "notes.txt"): ("notes.txt", "cells where the first row has"),
    (*VERIFY, "--data", "pickled.npy"): ("pickled.npy", "plain numeric"),
    ("check", "missing.py", *QUICK): ("missing.py", "no such file"),
    ("check", "notes.txt", *QUICK): ("notes.txt", ".py"),
    ("check", "syntax.py", *QUICK): (f"syntax.py:{FIRST}", "syntax error"),
    ("check", "raises.py", *QUICK): (f"raises.py:{FIRST}", "ZeroDivisionError"),
    ("check", "exits.py", *QUICK): (f"exits.py:{FIRST}", "SystemExit"),
    ("check", "empty.py", *QUICK): ("empty.py", "defines no Claim"),
    ("check", "symbol.py", *QUICK): (f"symbol.py:{FIRST}", "unknown symbol nonsense", "sigma2"),
    ("check", "decided.py", *QUICK): (f"decided.py:{FIRST}", "not a relation"),
    ("check", "complex.py", *QUICK): (f"complex.py:{FIRST}", "non-real"),
    ("replay", "ffffffffffff"): ("elbound-report/ledger.sqlite", "no such file"),
    ("replay", "ffffffffffff", "--output", "kept"): ("'ffffffffffff'", "kept/ledger.sqlite", "twelve digits"),
    ("report", "missing.sqlite"): ("missing.sqlite", "no such file"),
    ("report", "text.sqlite"): ("text.sqlite", "not a database"),
    ("report", "foreign.sqlite"): ("foreign.sqlite", "not an elbound ledger"),
    ("report", "truncated.sqlite"): ("truncated.sqlite", "malformed"),
    ("report", "kept", "--output", "file"): ("output file", "cannot be written", "folder"),
    (*VERIFY, "--output", "truncated", "--resume"): ("truncated/ledger.sqlite", "malformed"),
}

WARM = """
import json, os, sys
from elbound.properties import cli, commands, ready
for line in sys.stdin:
    words, folder, out, err = json.loads(line)
    child = os.fork()
    if not child:
        os.chdir(folder)
        for path, stream in ((out, 1), (err, 2)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
        sys.exit(cli.main(words))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that must be refused."""
    folder = tmp_path_factory.mktemp("bench")
    for name, source in SOURCES.items():
        (folder / name).write_text(source)
    for name, array in ARRAYS.items():
        np.save(folder / name, array, allow_pickle=True)
    (folder / "nan.csv").write_text("1,2\nnan,3\n4,5\n7,8\n")
    (folder / "file").write_text("a file, not a folder")
    (folder / "in the way" / "index.html").mkdir(parents=True)
    (folder / "text.sqlite").write_text("words " * 1_000)
    foreign = "import sqlite3; c = sqlite3.connect('foreign.sqlite'); c.execute('CREATE TABLE t (x)'); c.close()"
    subprocess.run([sys.executable, "-c", foreign], cwd=folder, check=True)
    (folder / "kept").mkdir()
    Ledger.create(folder / "kept" / "ledger.sqlite", {}).close()
    whole = (folder / "kept" / "ledger.sqlite").read_bytes()
    (folder / "truncated").mkdir()
    for name in ("truncated.sqlite", "truncated/ledger.sqlite"):
        (folder / name).write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Sequence[str], Path], Said]]:
    """Runs the command in a fork of a process that has imported it, and the catalogue."""
    folder = tmp_path_factory.mktemp("said")
    out, err = folder / "out", folder / "err"
    with subprocess.Popen(
        [sys.executable, "-c", WARM], env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ask, answer = process.stdin, process.stdout

        def run(words: Sequence[str], where: Path) -> Said:
            ask.write(json.dumps([list(words), str(where), str(out), str(err)]) + "\n")
            ask.flush()
            return Said(int(answer.readline()), out.read_text(), err.read_text())

        yield run


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder; Python's caches aside."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("words", REFUSED, ids=lambda words: " ".join(words)[:70] or "nothing")
def test_bad_input_is_refused_in_one_line_that_says_what_and_what_is_allowed(
    words: tuple[str, ...], bench: Path, warm: Warm
) -> None:
    before = contents(bench)
    line = refusal(warm(words, bench))
    missing = [fragment for fragment in REFUSED[words] if fragment not in line]
    assert not missing, line
    assert "Traceback" not in line
    assert contents(bench) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is present")
def test_cuda_is_refused_where_there_is_none(bench: Path, warm: Warm) -> None:
    line = refusal(warm((*VERIFY, "--device", "cuda"), bench))
    assert "'cuda'" in line
    assert "auto, cpu" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path, warm: Warm) -> None:
    tmp_path.chmod(0o500)
    line = refusal(warm((*VERIFY, "--output", "report"), tmp_path))
    assert "output report: cannot be written" in line


def test_the_command_offers_the_profiles_there_are() -> None:
    assert tuple(KNOWN_PROFILES) == PROFILES


# Runs that others read

# What a user's folder may hold: packages of the same names as ours, which must never be imported.
OWN_PACKAGES = ("theory", "impl", "properties", "reports")
SGD_BOUND = """
step = C / sqrt(t)
weight = step * (1 - L * step / 2)
noise = L / 2 * total(step**2 * sigma2[t])
HALF = Claim(
    SGD_RUN,
    Le(total(weight * a[t]) / total(weight), (Delta + noise) / 2 / total(weight)),
    assuming=(L * C < 2, UNBIASED, SMOOTH),
)
"""
PRINTS = """
print("a line of the user's own")
__import__("os").write(1, b"a line past Python's print\\n")
"""
GAP_BOUND = """
first = LogGap(w_min) * chi2 / K
TWICE = Claim(IWAE, Le(gap[K], 2 * first), assuming=(WEIGHT_AWAY_FROM_ZERO, WEIGHT_VARIANCE))
"""
NOT_A_NUMBER = """
ROOT = Claim(IWAE, Le(gap[K], sqrt(chi2 - 10**9)), assuming=(WEIGHT_VARIANCE,))
"""
ANALYSES = {
    "wrong": HEADER + SGD_BOUND,
    "right": HEADER + PRINTS + GAP_BOUND,
    "quiet": HEADER + GAP_BOUND,
    "mixed": HEADER + PRINTS + GAP_BOUND + NOT_A_NUMBER,
}


@dataclass(frozen=True)
class Cut:
    """A run that was ended before its time: what it said, and its whole rows at that moment."""

    said: Said
    tasks: frozenset[str]
    rows: list[str]


def cut(folder: Path, workers: int, end: Callable[[int], None], *, at_once: bool = False) -> Cut:
    """Starts a run in a process group of its own, and ends it once a task is finished, or before its workers are there.

    Returns only when every process of the run has let go of its output, so that none is left behind.
    """
    words = ("verify", *PATTERNS, *QUICK, "--workers", str(workers))
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENING, *ELBOUND, *words],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    output, deadline = folder / "elbound-report", time.monotonic() + TIMEOUT
    while (
        not (begun(output) if at_once else tasks_of(output)) and process.poll() is None and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    end(process.pid)
    out, err = process.communicate(timeout=TIMEOUT)
    return Cut(Said(process.returncode, out, err), tasks_of(output), [row.to_json() for row in rows_of(output)])


def begun(output: Path) -> bool:
    with contextlib.suppress(LedgerError), Ledger.open(output / "ledger.sqlite", readonly=True):
        return True
    return False


def kill(pid: int) -> None:
    """Ends the parent alone, without a word to its workers: the harder case, for they must notice by themselves."""
    os.kill(pid, signal.SIGKILL)


def interrupt(pid: int) -> None:
    """What a terminal does on Ctrl-C."""
    os.killpg(pid, signal.SIGINT)


CUTS = {"killed": (1, kill), "interrupted": (2, interrupt)}


class Runs:
    """Commands in folders of their own, all started together; each is waited for when a test asks for it."""

    def __init__(self, root: Path, pool: ThreadPoolExecutor) -> None:
        self._root = root
        whole = ("verify", *PATTERNS, *QUICK)
        self._said = {
            name: pool.submit(elbound, *words, folder=self.folder(name))
            for name, words in {
                "alone": (*whole, "--workers", "1"),
                "parallel": (*whole, "--workers", "2", "--json"),
                "data": ("verify", "smoothness/linear-vae-ball", *QUICK, "--data", "table.csv", "--workers", "1"),
                "wrong": ("check", "wrong.py", *QUICK, "--workers", "1"),
                "right": ("check", "right.py", *QUICK, "--workers", "1", "--json"),
                "mixed": ("check", "mixed.py", *QUICK, "--workers", "1"),
            }.items()
        }
        self._cuts = {name: pool.submit(cut, self.folder(name), *how) for name, how in CUTS.items()}
        self._cuts["at once"] = pool.submit(cut, self.folder("at once"), 2, interrupt, at_once=True)

    def folder(self, name: str) -> Path:
        """A user's folder."""
        folder = self._root / name
        if not folder.exists():
            for package in OWN_PACKAGES:
                (folder / package).mkdir(parents=True)
                (folder / package / "__init__.py").write_text(f"raise RuntimeError('imported {package}')\n")
            for stem, source in ANALYSES.items():
                (folder / f"{stem}.py").write_text(source)
            np.savetxt(folder / "table.csv", TABLE, fmt="%.17g", delimiter=",", header="a,b,c", comments="")
            np.save(folder / "table.npy", TABLE)
            np.save(folder / "other.npy", TABLE + 1)
        return folder

    def said(self, name: str) -> Said:
        return self._said[name].result()

    def cut(self, name: str) -> Cut:
        return self._cuts[name].result()

    def output(self, name: str) -> Path:
        """The output of a run that has come to its end; of a file it is one below."""
        self.said(name)
        own = self.folder(name) / "elbound-report" / name
        return own if own.is_dir() else own.parent

    def copy(self, name: str, to: Path) -> Path:
        """A user's folder with the output of a finished run, to spoil."""
        self.said(name)
        return Path(shutil.copytree(self.folder(name), to / name))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield Runs(tmp_path_factory.mktemp("runs"), pool)


def test_a_good_run_ends_with_zero_and_leaves_ledger_summary_and_page(runs: Runs) -> None:
    said, output = runs.said("alone"), runs.output("alone")
    assert said.code == 0, said
    assert said.err == ""
    assert {path.name for path in output.iterdir()} == {"ledger.sqlite", "summary.json", "index.html"}
    assert "none refuted" in said.out
    assert "elbound-report/index.html" in said.out


CLAIM_KEYS = {
    *("key", "part", "setting", "statement", "latex", "standing", "source", "verdict", "basis", "vacuous"),
    *("configurations", "instances", "sharpest", "mutants", "data", "witness"),
}
RUN_KEYS = {
    *("started", "wall_s", "profile", "device", "dtype", "epoch", "data", "executions", "alpha_suite"),
    *("achieved_false_refutation_bound", "boundary_judged", "boundary_refuted", "versions"),
}


def test_the_summary_has_the_keys_of_schema_one(runs: Runs) -> None:
    summary = summary_of(runs.output("alone"))
    assert summary["schema"] == 1
    assert set(summary) >= {"schema", "run", "claims", "findings"}
    assert set(summary["run"]) >= RUN_KEYS
    assert all(set(claim) >= CLAIM_KEYS for claim in summary["claims"])
    assert {claim["key"] for claim in summary["claims"]} == {"importance/two-sided-gap", "estimators/variance-split"}
    assert [finding["verdict"] for finding in summary["findings"]] == ["refuted"]
    assert all(version["killed"] for claim in summary["claims"] for version in claim["mutants"]["named"])


def test_json_is_all_there_is_on_standard_output(runs: Runs) -> None:
    assert runs.said("parallel").code == 0
    assert json.loads(runs.said("parallel").out) == summary_of(runs.output("parallel"))


def test_rows_do_not_depend_on_the_number_of_workers(runs: Runs) -> None:
    assert timeless(runs.output("alone")) == timeless(runs.output("parallel"))
    assert tasks_of(runs.output("alone")) == tasks_of(runs.output("parallel"))


def test_a_report_is_redrawn_to_the_same_bytes(runs: Runs, tmp_path: Path, warm: Warm) -> None:
    output = runs.output("alone")
    said = warm(("report", str(output), "--output", "again"), tmp_path)
    assert said.code == 0, said
    for name in ("index.html", "summary.json"):
        assert (tmp_path / "again" / name).read_bytes() == (output / name).read_bytes()


def test_the_list_names_every_claim_and_setting(warm: Warm, tmp_path: Path) -> None:
    claims, settings = elbound("list", folder=tmp_path), warm(("list", "settings"), tmp_path)
    assert (claims.code, claims.err, settings.code, settings.err) == (0, "", 0, "")
    assert {"descent/sgd-sharp", "findings/iwae-one-over-k"} <= set(claims.out.split())
    assert {"sgd-run", "iwae"} <= set(settings.out.split())


def test_show_tells_statement_assumptions_proof_and_source(warm: Warm, tmp_path: Path) -> None:
    said = warm(("show", "descent/sgd-sharp"), tmp_path)
    assert (said.code, said.err) == (0, "")
    words = " ".join(said.out.split())
    for fragment in ("statement", "<=", "assuming", "C*L < 2", "proof idea", "telescopes", "source", "Ghadimi"):
        assert fragment in words, fragment


def test_a_row_of_every_kind_is_replayed_bit_for_bit(runs: Runs, warm: Warm) -> None:
    folder, rows = runs.folder("alone"), rows_of(runs.output("alone"))
    witness = summary_of(runs.output("alone"))["findings"][0]["witness"]["strongest"]["identity"]
    wrong = next(row.identity for row in rows if row.version.startswith("wrong: "))
    sampled = next(row.identity for row in rows if not row.version and row.verdict is Verdict.SUPPORTED)
    unmet = next(row.identity for row in rows if row.verdict is Verdict.ASSUMPTION_NOT_MET)
    for identity in (witness, wrong, sampled, unmet):
        said = warm(("replay", identity), folder)
        assert (said.code, said.err) == (0, ""), said
        assert IDENTICAL in said.out


def test_a_replay_that_differs_says_where(runs: Runs, tmp_path: Path, warm: Warm) -> None:
    row = next(row for row in rows_of(runs.output("alone")) if row.verdict is Verdict.SUPPORTED and row.left)
    assert row.left is not None
    forged = replace(row, left=float(np.nextafter(row.left, np.inf)))
    with Ledger.create(tmp_path / "ledger.sqlite", {"profile": "quick"}) as ledger:
        ledger.finish("forged", [forged])
    said = warm(("replay", row.identity, "--output", "."), tmp_path)
    assert said.code == 1
    assert f"differs: left was {forged.left!r}, is {row.left!r}" in " ".join(said.out.split())
    assert IDENTICAL not in said.out


def test_the_users_data_are_judged_and_replayed_from_any_file_of_the_same_values(runs: Runs, warm: Warm) -> None:
    assert runs.said("data").code == 0, runs.said("data")
    own = [row for row in rows_of(runs.output("data")) if row.data.startswith("user:table:") and row.judged]
    assert own
    counted = summary_of(runs.output("data"))["claims"][0]["data"]
    assert any(name.startswith("user:table:") for name in counted)
    named = next(row for row in own if row.origin.startswith("instance"))
    drawn = next(row for row in own if row.origin == "random")
    for row, file in ((named, "table.csv"), (drawn, "table.npy")):
        said = warm(("replay", row.identity, "--data", file), runs.folder("data"))
        assert said.code == 0, said
        assert IDENTICAL in said.out


@pytest.mark.parametrize("words", [(), ("--data", "other.npy")], ids=["no file", "another file"])
def test_a_row_of_the_users_data_is_not_replayed_without_them(runs: Runs, warm: Warm, words: tuple[str, ...]) -> None:
    own = next(row for row in rows_of(runs.output("data")) if row.data.startswith("user:"))
    line = refusal(warm(("replay", own.identity, *words), runs.folder("data")))
    assert own.data in line
    assert "--data" in line


@pytest.mark.parametrize(
    ("words", "term"),
    [
        (("verify", *PATTERNS, *QUICK, "--epoch", "1"), "epoch"),
        (("verify", *PATTERNS, "--profile", "default"), "profile"),
        (("verify", "importance/*", *QUICK), "patterns"),
        (("verify", *PATTERNS, *QUICK, "--data", "table.csv"), "user_data"),
        (("check", "quiet.py", *QUICK, "--output", "elbound-report"), "file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_run_is_not_resumed_on_other_terms(runs: Runs, warm: Warm, words: tuple[str, ...], term: str) -> None:
    before = (runs.output("alone") / "ledger.sqlite").read_bytes()
    line = refusal(warm((*words, "--resume"), runs.folder("alone")))
    assert "--resume" in line
    assert f" {term} " in line
    assert (runs.output("alone") / "ledger.sqlite").read_bytes() == before


def test_resuming_a_finished_run_judges_nothing_again(runs: Runs, tmp_path: Path, warm: Warm) -> None:
    folder = runs.copy("alone", tmp_path)
    said = warm(("verify", *PATTERNS, *QUICK, "--resume"), folder)
    assert said.code == 0, said
    # A row that was judged again would have taken another time.
    assert rows_of(folder / "elbound-report") == rows_of(runs.output("alone"))
    assert evidence_of(folder / "elbound-report") == evidence_of(runs.output("alone"))


# Ends before their time


@pytest.mark.parametrize("name", CUTS)
def test_a_run_that_was_cut_short_leaves_whole_tasks_and_no_process(runs: Runs, name: str) -> None:
    found, whole = runs.cut(name), rows_of(runs.output("alone"))
    assert found.tasks
    assert found.tasks < tasks_of(runs.output("alone"))
    assert 0 < len(found.rows) < len(whole)
    with Ledger.open(runs.folder(name) / "elbound-report" / "ledger.sqlite", readonly=True) as ledger:
        assert not ledger.closed


@pytest.mark.parametrize("name", ["interrupted", "at once"])
def test_an_interrupt_is_answered_in_one_line(runs: Runs, name: str) -> None:
    said = runs.cut(name).said
    assert "interrupted" in refusal(replace(said, out=""))
    assert "--resume" in said.err
    assert "elbound-report/ledger.sqlite" in said.err


# Says so when the import of what the command needs begins.
STARTING = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from elbound.properties import cli
sys.addaudithook(lambda event, given: given[0] == "elbound.properties.commands" and print("starting", flush=True)
                 if event == "import" else None)
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.5, 1.0])
def test_an_interrupt_in_the_first_seconds_is_answered_in_one_line(tmp_path: Path, seconds: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STARTING, "verify", *PATTERNS, *QUICK],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "starting\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT)
    assert "interrupted" in refusal(Said(process.returncode, out, err))


@pytest.mark.parametrize("name", ["killed", "interrupted"])
def test_a_run_that_was_cut_short_is_resumed_to_the_same_end(runs: Runs, name: str, tmp_path: Path, warm: Warm) -> None:
    found = runs.cut(name)
    assert name == "interrupted" or found.said.code == -signal.SIGKILL
    folder = Path(shutil.copytree(runs.folder(name), tmp_path / "copy"))
    said = warm(("verify", *PATTERNS, *QUICK, "--workers", "1", "--resume"), folder)
    assert said.code == 0, said
    resumed, whole = folder / "elbound-report", runs.output("alone")
    assert timeless(resumed) == timeless(whole)
    assert tasks_of(resumed) == tasks_of(whole)
    assert evidence_of(resumed) == evidence_of(whole)
    # To the second: what was finished before the end was not judged again.
    assert set(found.rows) <= {row.to_json() for row in rows_of(resumed)}
    kept, wanted = summary_of(resumed), summary_of(whole)
    assert (kept["claims"], kept["findings"]) == (wanted["claims"], wanted["findings"])


# A user's own analysis, in a folder with packages named like ours


def test_a_wrong_bound_is_refuted_with_a_shrunk_witness_in_summary_and_page(runs: Runs) -> None:
    said, output = runs.said("wrong"), runs.output("wrong")
    assert said.code == 1, said
    assert said.err == ""
    (claim,) = summary_of(output)["claims"]
    assert claim["verdict"] == "refuted"
    smallest = claim["witness"]["smallest"]
    assert smallest["origin"] == "shrunk"
    assert smallest["left"] > smallest["right"]
    assert smallest["identity"] in (output / "index.html").read_text(encoding="utf-8")
    assert any(row.origin == "shrunk" and row.identity == smallest["identity"] for row in rows_of(output))


def test_the_witness_of_a_users_claim_is_replayed_with_its_file(runs: Runs, warm: Warm) -> None:
    witness = summary_of(runs.output("wrong"))["claims"][0]["witness"]["smallest"]["identity"]
    said = warm(("replay", witness, "wrong.py"), runs.folder("wrong"))
    assert (said.code, said.err) == (0, ""), said
    assert IDENTICAL in said.out
    assert "name that file after the row" in refusal(warm(("replay", witness), runs.folder("wrong")))
    output = ("--output", "elbound-report/wrong")
    assert "wrong.py; name that file" in refusal(warm(("replay", witness, *output), runs.folder("wrong")))
    line = refusal(warm(("replay", witness, "quiet.py", *output), runs.folder("wrong")))
    assert "its claim wrong or experiment" in line


@pytest.mark.parametrize(
    ("name", "words", "held"),
    [
        ("alone", ("check", "quiet.py", *QUICK, "--output", "elbound-report"), "the catalogue"),
        ("wrong", ("verify", *PATTERNS, *QUICK, "--output", "elbound-report/wrong"), "wrong/wrong.py"),
        ("wrong", ("check", "below/wrong.py", *QUICK), "wrong/wrong.py"),
    ],
)
def test_no_run_takes_the_place_of_the_report_of_another_file(
    runs: Runs, warm: Warm, name: str, words: tuple[str, ...], held: str
) -> None:
    output, folder = runs.output(name), runs.folder(name)
    (folder / "below").mkdir(exist_ok=True)
    shutil.copy(folder / "wrong.py", folder / "below")
    before = contents(output)
    line = refusal(warm(words, folder))
    assert f"{held}; name another folder with --output" in line
    assert contents(output) == before


def test_a_right_bound_ends_with_zero_and_its_file_may_print(runs: Runs) -> None:
    said = runs.said("right")
    assert said.code == 0, said
    (claim,) = json.loads(said.out)["claims"]
    assert claim["verdict"] in {"supported", "consistent"}
    assert "a line of the user's own" in said.err
    assert "a line past Python's print" in said.err


def test_a_bound_that_is_no_number_spoils_no_other(runs: Runs) -> None:
    said = runs.said("mixed")
    assert said.code == 2, said
    assert "Traceback" not in said.out + said.err
    claims = {claim["part"]: claim for claim in summary_of(runs.output("mixed"))["claims"]}
    assert claims["root"]["verdict"] == "not judged"
    assert claims["root"]["configurations"]["error"] > 0
    (alone,) = summary_of(runs.output("right"))["claims"]
    for name in ("verdict", "sharpest", "instances"):
        assert claims["twice"][name] == alone[name]
