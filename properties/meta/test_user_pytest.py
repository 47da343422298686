"""A user's analysis under plain pytest, in a folder of the user's own."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from elbound.properties.plugin import is_analysis

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
    run = pytest_in(folder, "mine.py", *chosen)
    assert run.returncode == 1, run.stdout + run.stderr
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
