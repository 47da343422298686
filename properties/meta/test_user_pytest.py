"""A user's analysis under plain pytest, in a folder of the user's own."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from xml.etree import ElementTree

import pytest

from elbound.properties.campaign import run_task, tasks_of
from elbound.properties.docket import docket_of
from elbound.properties.meta import synthetic
from elbound.properties.meta.own_squares import SQUARES
from elbound.properties.plugin import Gathering, is_analysis
from elbound.properties.run import facts_of
from elbound.properties.testing import AnalysisFile, brief_of, held_to
from elbound.reports.compare import Run, run_of
from elbound.reports.row import Row
from elbound.reports.summary import summarise, write_summary

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
HEADER = """
from sympy import Ge, Le
from elbound.theory.claim import Claim
from elbound.theory.settings import IWAE, WEIGHT_BOUNDED
from elbound.theory.symbols import K, chi2, gap, w_max
"""
ANALYSIS = (
    HEADER
    + """
DIVIDED = Claim(
    IWAE,
    Ge(gap[K], chi2 / (2 * K * w_max)),
    assuming=(WEIGHT_BOUNDED,),
    wrong={"w_max forgotten": Ge(gap[K], chi2 / (2 * K)), "halved": Ge(gap[K], chi2 / (4 * K * w_max))},
)
WRONG = Claim(IWAE, Ge(gap[K], chi2 / K), assuming=(WEIGHT_BOUNDED,))
LETTER = Claim(IWAE, Ge(gap[K], nonsense))
"""
)
NAMES = [
    "mine.py has no problem: mine.py:14: NameError: name 'nonsense' is not defined",
    "mine/divided stands on importance/gaussian-posterior",
    "mine/divided stands on importance/near-posterior",
    "mine/divided falls as w_max forgotten",
    "mine/divided falls as halved",
    "mine/wrong stands on importance/gaussian-posterior",
    "mine/wrong stands on importance/near-posterior",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for package in ("impl", "reports"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(f"raise RuntimeError('imported {package}')\n")
    (tmp_path / "mine.py").write_text(ANALYSIS)
    return tmp_path


def pytest_in(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)


def test_there_is_a_test_for_each_claim_and_experiment_and_each_wrong_version(folder: Path) -> None:
    said = pytest_in(folder, "mine.py", "--collect-only", "-q").stdout
    assert [line.removeprefix("mine.py::") for line in said.splitlines() if line.startswith("mine.py::")] == NAMES


def test_tests_pass_and_fail_in_two_processes_with_a_report_and_junit(folder: Path) -> None:
    chosen = ("-k", "near or falls or problem", "-n", "2", "--junitxml", "out.xml", "--elbound-report", "told")
    before = summarise(*synthetic.clean(), synthetic.RUN)
    gone = {**before["claims"][0], "key": "mine/gone"}
    write_summary({**before, "claims": [gone]}, folder / "before.json")
    run = pytest_in(folder, "mine.py", *chosen, "--elbound-baseline", "before.json")
    assert run.returncode == 1, run.stdout + run.stderr
    assert "elbound baseline: mine/gone: vanished: supported, now -, worse\n" in run.stdout
    cases = ElementTree.parse(folder / "out.xml").getroot().iter("testcase")
    failed = {case.attrib["name"]: case.find("failure") for case in cases}
    assert set(failed) == {name for name in NAMES if "gaussian" not in name}
    assert {name for name, failure in failed.items() if failure is not None} == {NAMES[0], NAMES[4], NAMES[6]}
    refuted = failed[NAMES[6]]
    assert refuted is not None
    assert "refuted on importance/near-posterior at " in str(refuted.text)
    assert "Traceback" not in run.stdout
    page = (folder / "told" / "index.html").read_text()
    assert "mine/divided" in page
    assert "elbound report: told/index.html" in run.stdout


PLANTED = (
    SQUARES
    + """
class Planted(Squares):
    faults = {"root": "a half", "nothing": "a half"}

    def measure(self, configuration, context, fault=""):
        return Exact({y: Interval.around(configuration["x"] ** (0.5 if fault == "root" else 2), 1e-15)})


squares = Planted()
BELOW = Claim(SQUARE, Le(y, x), wrong={"square": Le(y, x**3)})
WEAK = Claim(SQUARE, Le(y, 2 * x))
"""
)


@dataclass(frozen=True)
class Session:
    """What a session of tests of the squares leaves, and its options."""

    file: Path
    config: pytest.Config
    kept: list[dict[str, Any]]
    found: Run

    def held(self, found: Run, kept: list[dict[str, Any]] | None = None) -> tuple[list[str], bool]:
        return held_to(found, self.config, str(self.file), self.kept if kept is None else kept)


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Session:
    file = tmp_path_factory.mktemp("squares") / "squares.py"
    file.write_text(PLANTED)
    brief = brief_of(pytestconfig, str(file))
    rows = [row for task in tasks_of(brief) for row in run_task(brief, task).rows]
    found = run_of(summarise(rows, docket_of(brief).entries(), facts_of(brief)))
    counts = {"executions": 0, "confirmations": 0}
    kept = [{"task": str(i), "rows": [row.to_json()], **counts} for i, row in enumerate(rows)]
    return Session(file, pytestconfig, kept, found)


def sharper(run: Run, name: str) -> Run:
    """A baseline in which the instance of one claim came twice as close."""
    stand = run.stands[name]
    instances = {instance: 2 * (ratio or 0.0) for instance, ratio in (stand.instances or {}).items()}
    return replace(run, stands={**run.stands, name: replace(stand, instances=instances)})


def test_tests_are_held_to_an_earlier_run_of_their_file(squares: Session) -> None:
    assert squares.held(squares.found) == (["No difference in 2 statements."], False)
    lines, worse = squares.held(sharper(squares.found, "squares/below"))
    assert lines[0] == "squares/below: instance a half: 1, now 0.5, worse"
    assert worse
    missing = {name: stand for name, stand in squares.found.stands.items() if name != "squares/weak"}
    lines, worse = squares.held(replace(squares.found, stands=missing))
    assert (lines[0], worse) == ("squares/weak: new: -, now supported", False)


def test_what_did_not_run_whole_or_is_not_known_is_not_compared_and_that_is_said(squares: Session) -> None:
    some = [x for x in squares.kept if Row.from_json(x["rows"][0]).claim == "squares/below"]
    lines, worse = squares.held(sharper(squares.found, "squares/weak"), some)
    assert lines == ["squares/weak: not compared, its tests did not all run", "No difference in 1 statement."]
    assert not worse
    lines, worse = squares.held(Run({}, {}))
    assert (lines, worse) == (
        ["says nothing of squares.py; elbound check squares.py --output DIR writes one that does"],
        False,
    )


@pytest.mark.parametrize(("factor", "code"), [(sharper, 1), (lambda run, _: run, 0)])
def test_a_session_that_is_worse_than_its_baseline_fails(
    squares: Session, factor: Callable[[Run, str], Run], code: int
) -> None:
    gathering = Gathering(squares.config, "", factor(squares.found, "squares/below"))
    gathering.kept = {str(squares.file): squares.kept}
    session = SimpleNamespace(exitstatus=0)
    gathering.pytest_sessionfinish(cast(pytest.Session, session))
    assert session.exitstatus == code
    assert any("worse" in told for told in gathering.told) == bool(code)


def test_two_files_of_one_name_have_a_report_each_and_no_file_takes_the_place_of_another(
    squares: Session, tmp_path: Path
) -> None:
    twin = tmp_path / "elsewhere" / "squares.py"
    twin.parent.mkdir()
    twin.write_text(PLANTED)
    gathering = Gathering(squares.config, str(tmp_path / "told"), None)
    gathering.kept = {str(squares.file): squares.kept, str(twin): squares.kept}
    session = SimpleNamespace(exitstatus=0)
    gathering.pytest_sessionfinish(cast(pytest.Session, session))
    pages = [Path(told.removeprefix("report: ")) for told in gathering.told]
    assert len({page for page in pages if page.is_file()}) == 2
    alone = Gathering(squares.config, str(pages[0].parent), None)
    alone.kept = {str(twin): squares.kept}
    before = pages[0].read_bytes()
    alone.pytest_sessionfinish(cast(pytest.Session, session))
    (told,) = alone.told
    assert f"holds the report of {squares.file}; name another folder" in told
    assert session.exitstatus == pytest.ExitCode.USAGE_ERROR
    assert pages[0].read_bytes() == before


def test_a_planted_fault_is_a_test_that_passes_where_a_claim_notices_it(
    squares: Session, request: pytest.FixtureRequest
) -> None:
    root = AnalysisFile.from_parent(request.session, path=squares.file)
    items = {item.name: item for item in root.collect()}
    assert list(items)[-2:] == ["own/squares shows root", "own/squares shows nothing"]
    items["own/squares shows root"].runtest()
    with pytest.raises(pytest.fail.Exception, match="no claim notices it: supported on own/squares"):
        items["own/squares shows nothing"].runtest()


def test_the_first_failure_ends_the_session_and_a_pattern_chooses_claims(folder: Path) -> None:
    run = pytest_in(folder, "mine.py", "-x", "-q", "--elbound-claims", "mine/wrong", "-k", "stands")
    assert run.returncode == 1
    assert "1 failed, 1 deselected" in run.stdout, run.stdout


def test_a_syntax_error_is_one_line(folder: Path) -> None:
    (folder / "mine.py").write_text(HEADER + "MINE = Claim(\n")
    run = pytest_in(folder, "mine.py", "-q")
    assert run.returncode == 2
    assert "mine.py:6: syntax error: '(' was never closed" in run.stdout
    assert "Traceback" not in run.stdout


def test_files_of_other_kinds_are_left_alone(folder: Path) -> None:
    (folder / "test_other.py").write_text(HEADER + "C = Claim(IWAE, Ge(gap[K], 0))\ndef test_it():\n    assert C\n")
    (folder / "helper.py").write_text("def test_nothing():\n    pass\n")
    run = pytest_in(folder, "test_other.py", "helper.py", "-q", "--collect-only")
    assert "test_other.py::test_it\nhelper.py::test_nothing" in run.stdout
    assert is_analysis(folder / "mine.py")
    assert not any(map(is_analysis, (folder / "test_other.py", folder / "helper.py")))


def test_the_plugin_imports_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\ndef test_it():\n    assert not {'torch', 'sympy', 'scipy', 'rich'} & set(sys.modules)\n"
    )
    run = pytest_in(tmp_path, "-q", "-p", "no:xdist")
    assert run.returncode == 0, run.stdout
