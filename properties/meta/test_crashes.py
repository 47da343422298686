"""A user's file that ends its process, wherever it does: named in one line with its configuration, the rest judged."""

import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import pytest

from elbound.properties.cli import main
from elbound.properties.meta.own_squares import SQUARES
from elbound.properties.run import MOST_DEATHS
from elbound.reports.ledger import Ledger
from elbound.reports.row import Row, Verdict

HEADER = "import ctypes, os, signal, sys\n" + SQUARES
END = {
    "exit status 3": "os._exit(3)",
    "exit status 0": "os._exit(0)",
    "SIGSEGV": "ctypes.string_at(0)",
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "SystemExit": "sys.exit(0)",
}
BODY = """

class Ends(Squares):
    key = "own/ends"
    {method}


squares, ends = Squares(), Ends()
BELOW = Claim(SQUARE, Le(y, x))
"""
MEASURE = """
    def measure(self, configuration, context, fault=""):
        {end}
        return super().measure(configuration, context, fault)
"""
SITUATION = """
    def situation(self, configuration, context):
        {end}
        return super().situation(configuration, context)
"""
# Only where x is large, which the named instance is not.
SELDOM = MEASURE.replace("{end}", "if configuration['x'] > 0.7:\n            {end}")
# At one named instance alone.
ONCE = 'instances = {"a half": {"x": 0.5}, "two thirds": {"x": 2 / 3}}' + MEASURE.replace(
    "{end}", "if configuration['x'] == 2 / 3:\n            {end}"
)
TWO = """

class EndsToo(Squares):
    key = "own/ends-too"
    def measure(self, configuration, context, fault=""):
        os._exit(4)


class EndsIn(Squares):
    key = "own/ends-too"


ends_too = EndsToo()
"""
# What a claim's relation asks for while it is evaluated.
CURVE = """

from sympy import IndexedBase
from elbound.theory.claim import Claim
z = IndexedBase("z", positive=True)
CURVED = Setting("curved", "a curve", (x,), (y, z))


def ending(index):
    os._exit(5)


class Curved(Squares):
    key = "own/curved"
    setting = CURVED

    def measure(self, configuration, context, fault=""):
        return Exact({y: Interval.around(configuration["x"] ** 2, 1e-15), z: ending})


curved, squares = Curved(), Squares()
BENT = Claim(CURVED, Le(z[1], x))
STRAIGHT = Claim(CURVED, Le(y, x))
BELOW = Claim(SQUARE, Le(y, x))
"""
DRAW = """

from elbound.properties.experiment import Sample


class Drawn(Squares):
    key = "own/drawn"

    def measure(self, configuration, context, fault=""):
        def draw(stage, first, count):
            sys.exit(1)

        return Sample(draw, {y: Interval.between(0.0, 1.0)})


drawn, squares = Drawn(), Squares()
BELOW = Claim(SQUARE, Le(y, x))
"""


# The first named instance refutes HALF; at the others the measurement does not come to its end.
LATE = """

from elbound.theory.claim import Claim


class Late(Squares):
    key = "own/late"
    instances = {"high": {"x": 0.8}, "first": {"x": 0.2}, "second": {"x": 0.3}, "third": {"x": 0.4}}

    def measure(self, configuration, context, fault=""):
        if configuration["x"] != 0.8:
            END
        return super().measure(configuration, context, fault)


late = Late()
HALF = Claim(SQUARE, Le(y, x / 2))
"""
# The same of a claim: its curve, at one named instance alone.
LATE_CURVE = """

from sympy import IndexedBase
z = IndexedBase("z", positive=True)
CURVED = Setting("curved", "a curve", (x,), (y, z))


class Curved(Squares):
    key = "own/curved"
    setting = CURVED
    instances = {"high": {"x": 0.8}, "low": {"x": 0.2}}

    def measure(self, configuration, context, fault=""):
        def curve(index):
            os._exit(5) if configuration["x"] == 0.2 else None
            return Interval.around(configuration["x"] ** 2, 1e-15)

        return Exact({y: Interval.around(configuration["x"] ** 2, 1e-15), z: curve})


curved = Curved()
BENT = Claim(CURVED, Le(z[1], x / 2))
STRAIGHT = Claim(CURVED, Le(y, x))
"""
# Ends with the exit status of a process that the watched work forked, which must not come to the line after it.
COPY = """
import os, sys
from pathlib import Path
from elbound.properties.limits import Watch
with Watch(Path(sys.argv[1]), 60.0).over({}):
    child = os.fork()
if child == 0:
    os._exit(7)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
FORKS = """

class Forks(Squares):
    def measure(self, configuration, context, fault=""):
        os.fork()
        return super().measure(configuration, context, fault)


squares = Forks()
BELOW = Claim(SQUARE, Le(y, x))
"""


def body(method: str, end: str) -> str:
    return HEADER + BODY.format(method=method.format(end=end))


SOURCES = {
    **{f"measure {how}": body(MEASURE, end) for how, end in END.items()},
    "situation": body(SITUATION, END["exit status 3"]),
    "seldom": body(SELDOM, END["exit status 3"]),
    "once": body(ONCE.replace("{", "{{").replace("}", "}}").replace("{{end}}", "{end}"), END["SIGKILL"]),
    "two": body(MEASURE, END["SIGSEGV"]) + TWO,
    "curve": HEADER + CURVE,
    "draw": HEADER + DRAW,
    "late": HEADER + LATE.replace("END", "os._exit(3)"),
    # The search ends its process three times while the named instances wait.
    "last": HEADER
    + LATE.replace("END", "__import__('time').sleep(6 if configuration['x'] == 0.2 else 0); os._exit(3)"),
    "endless": HEADER + LATE.replace("END", "while True: pass"),
    "late curve": HEADER + LATE_CURVE,
    "forks": HEADER + FORKS,
    "whole": HEADER + "squares = Squares()\nBELOW = Claim(SQUARE, Le(y, x))\n",
    "import": HEADER + BODY.format(method="pass") + "os._exit(0)\nWEAK = Claim(SQUARE, Le(y, 2 * x))\n",
    "import only": "import os\nfrom elbound.theory.claim import Claim\nos._exit(0)\n",
    "other": body(MEASURE, "raise BaseException('of its own')"),
}


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


def elbound(*words: str | Path) -> Said:
    """The command in this process: the one that workers are forked from is then started once for all."""
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        code = main(list(map(str, words)))
    return Said(code, out.getvalue(), err.getvalue())


class Checks:
    """A check of each source, carried out when a test asks for it first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._said: dict[str, Said] = {}

    def file(self, name: str) -> Path:
        return self.folder / name / "mine.py"

    def run(self, name: str, *words: str) -> Said:
        return elbound("check", self.file(name), "--profile", "quick", "--output", self.out(name), *words)

    def out(self, name: str) -> Path:
        return self.folder / name / "out"

    def said(self, name: str) -> Said:
        if name not in self._said:
            self.file(name).parent.mkdir()
            self.file(name).write_text(SOURCES[name])
            self._said[name] = self.run(name, "--workers", "2", *(("--limit", "2") if name == "endless" else ()))
        return self._said[name]

    def line(self, name: str, start: str) -> int:
        lines = enumerate(SOURCES[name].splitlines(), start=1)
        return next(number for number, text in lines if text.lstrip().startswith(start))

    def rows(self, name: str) -> list[Row]:
        self.said(name)
        with Ledger.open(self.out(name) / "ledger.sqlite", readonly=True) as ledger:
            return list(ledger.rows())

    def errors(self, name: str, experiment: str) -> list[Row]:
        return [x for x in self.rows(name) if x.experiment == experiment and x.verdict is Verdict.ERROR]


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> Checks:
    return Checks(tmp_path_factory.mktemp("ends"))


def judged(checks: Checks, name: str, experiment: str = "own/squares") -> int:
    return sum(x.judged for x in checks.rows(name) if x.experiment == experiment and not x.version)


@pytest.mark.parametrize("how", [how for how in END if how != "SystemExit"])
def test_a_measurement_that_ends_its_process_is_one_line_with_its_configuration_and_the_rest_is_judged(
    checks: Checks, how: str
) -> None:
    name = f"measure {how}"
    said, errors = checks.said(name), checks.errors(name, "own/ends")
    assert said.code == 2, said
    assert "Traceback" not in said.out + said.err
    reasons = {row.reason for row in errors}
    # Every configuration ends the process: three are tried, each named, and the experiment is left out.
    assert len(reasons) == MOST_DEATHS
    for reason in reasons:
        assert how in reason
        assert "experiment own/ends at x = " in reason
    told = sum(" ".join(said.out.split()).count(" ".join(reason.split())) for reason in reasons)
    assert judged(checks, name) >= 20
    if how == "SIGSEGV":
        assert all(f"mine.py:{checks.line(name, 'ctypes')}" in reason for reason in reasons)
    assert told == MOST_DEATHS


def test_sys_exit_is_a_failure_of_the_one_measurement(checks: Checks) -> None:
    for name, line in (("measure SystemExit", "sys.exit(0)"), ("draw", "sys.exit(1)")):
        key = "own/drawn" if name == "draw" else "own/ends"
        errors = checks.errors(name, key)
        assert checks.said(name).code == 2
        assert len(errors) >= 20  # each configuration has its own
        assert {x.reason.partition(": ")[0] for x in errors} == {f"mine.py:{checks.line(name, line)}"}
        assert all("SystemExit" in x.reason for x in errors)
        assert judged(checks, name) >= 20


def test_whatever_else_a_measurement_raises_is_told_as_well(checks: Checks) -> None:
    errors = checks.errors("other", "own/ends")
    assert len(errors) == MOST_DEATHS
    assert all("BaseException: of its own, during experiment own/ends at x = " in x.reason for x in errors)
    assert (checks.said("other").code, judged(checks, "other") >= 20) == (2, True)


def test_a_situation_that_ends_its_process_names_its_configuration(checks: Checks) -> None:
    errors = checks.errors("situation", "own/ends")
    assert len(errors) == MOST_DEATHS
    assert all("exit status 3, during experiment own/ends at x = " in x.reason for x in errors)
    assert judged(checks, "situation") >= 20


def test_where_one_configuration_ends_the_process_the_others_of_its_experiment_are_judged(checks: Checks) -> None:
    (error,) = checks.errors("once", "own/ends")
    assert error.configuration == {"x": 2 / 3}
    assert "SIGKILL, during experiment own/ends at x = 0.66" in error.reason
    assert checks.said("once").code == 2
    assert judged(checks, "once", "own/ends") >= 20


def test_what_ends_the_process_at_a_few_configurations_alone_is_named_by_one_of_them(checks: Checks) -> None:
    errors = checks.errors("seldom", "own/ends")
    assert 1 <= len(errors) <= MOST_DEATHS
    for error in errors:
        assert error.configuration["x"] > 0.7  # type: ignore[operator]
        assert f"at x = {error.configuration['x']}" in error.reason
    # What was finished before stays: the named instance lies elsewhere.
    assert judged(checks, "seldom", "own/ends") >= 1


@pytest.mark.parametrize("name", ["late", "last", "endless"])
def test_a_refutation_stands_though_the_experiment_then_ends_its_process(checks: Checks, name: str) -> None:
    rows = [x for x in checks.rows(name) if not x.version]
    assert [(x.verdict, x.configuration) for x in rows if x.judged] == [(Verdict.REFUTED, {"x": 0.8})]
    assert checks.errors(name, "own/late"), "what ended the process is told all the same"
    assert checks.said(name).code == 2
    assert "1 refuted" in checks.said(name).out


def test_a_refutation_stands_though_the_evaluation_of_its_claim_then_ends_the_process(checks: Checks) -> None:
    rows = [x for x in checks.rows("late curve") if not x.version]
    bent = [x for x in rows if x.claim == "mine/bent" and x.origin.startswith("instance")]
    assert [(x.verdict, x.configuration["x"]) for x in bent] == [(Verdict.REFUTED, 0.8), (Verdict.ERROR, 0.2)]
    straight = [x for x in rows if x.claim == "mine/straight" and x.judged]
    assert len(straight) == len({x.identity for x in straight}) >= 20, "none is told twice"


def test_progress_counts_no_more_tasks_than_there_are(checks: Checks) -> None:
    for name in ("two", "late", "endless", "measure SIGKILL"):
        counted = re.findall(r"^(\d+)/(\d+) tasks", checks.said(name).out, re.MULTILINE)
        assert counted, checks.said(name)
        assert all(int(done) <= int(total) for done, total in counted)
        assert counted[-1][0] == counted[-1][1]


def test_what_ended_the_process_is_told_once_for_all_claims(checks: Checks) -> None:
    said = checks.said("measure SIGKILL").out
    told = re.findall(r"^error: .*(during experiment own/ends at .*)$", said, re.MULTILINE)
    assert len(told) == len(set(told)) == MOST_DEATHS


def test_a_copy_that_a_measurement_forks_judges_nothing(checks: Checks) -> None:
    found, alone = ([replace(x, seconds=0.0) for x in checks.rows(name)] for name in ("forks", "whole"))
    assert found == alone
    assert checks.said("forks").code == 0


def test_a_copy_ends_with_the_work_that_forked_it(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", COPY, str(tmp_path / "note")], timeout=60, check=False)
    assert ended.returncode == 0


def test_two_experiments_that_end_their_processes_are_both_named(checks: Checks) -> None:
    assert checks.said("two").code == 2
    for key, how in (("own/ends", "SIGSEGV"), ("own/ends-too", "exit status 4")):
        errors = checks.errors("two", key)
        assert len(errors) == MOST_DEATHS
        assert all(how in x.reason for x in errors)
    assert judged(checks, "two") >= 20


def test_a_claim_whose_evaluation_ends_the_process_is_left_out_alone(checks: Checks) -> None:
    errors = [x for x in checks.rows("curve") if x.verdict is Verdict.ERROR]
    assert [x.claim for x in errors] == ["mine/bent"]
    assert f"mine.py:{checks.line('curve', 'BENT')}: " in errors[0].reason
    assert "exit status 5, during claim mine/bent at x = " in errors[0].reason
    assert {x.claim for x in checks.rows("curve") if x.judged} == {"mine/straight", "mine/below"}


def test_a_statement_that_ends_the_process_is_a_problem_with_its_line_and_the_rest_is_judged(checks: Checks) -> None:
    said = checks.said("import")
    assert said.code == 2, said
    told = f"mine.py:{checks.line('import', 'os._exit')}: the process ended with exit status 0"
    assert told in "".join(said.out.split("\n"))
    assert {x.claim for x in checks.rows("import") if x.judged} == {"mine/below", "mine/weak"}


def test_a_file_that_does_nothing_but_end_the_process_is_refused_in_one_line(checks: Checks) -> None:
    said = checks.said("import only")
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1), said
    assert "mine.py:3: the process ended with exit status 0" in said.err


def test_resuming_goes_past_what_ended_a_process(checks: Checks) -> None:
    before = checks.rows("two")
    assert checks.run("two", "--resume").code == 2
    assert checks.rows("two") == before


def test_a_row_whose_measurement_now_ends_the_process_is_said_when_it_is_replayed(checks: Checks) -> None:
    row = next(x for x in checks.rows("seldom") if x.experiment == "own/squares" and not x.version and x.judged)
    later = checks.file("seldom").parent / "later" / "mine.py"
    later.parent.mkdir()
    later.write_text(SOURCES["seldom"].replace("return Exact(", "os._exit(0)\n        return Exact(", 1))
    said = elbound("replay", row.identity, later, "--output", checks.out("seldom"))
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1), said
    assert f"row {row.identity}: the process ended with exit status 0" in said.err
