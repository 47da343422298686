"""`elbound check` on a user's own files: right, loose, wrong, vacuous, broken and endless ones.

The commands run in a folder outside the repository that has packages named like ours, two at a time.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from elbound.properties.meta.own_squares import SQUARES
from elbound.reports.ledger import Ledger
from elbound.reports.row import Row, Verdict

ELBOUND = (sys.executable, "-m", "elbound.properties")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
TIMEOUT = 300
LIMIT = 4

IWAE = """
from sympy import Integer, Le, Symbol, log, sqrt
from elbound.theory.claim import Claim, Setting
from elbound.theory.evaluate import LogGap
from elbound.theory.settings import IWAE, WEIGHT_AWAY_FROM_ZERO, WEIGHT_VARIANCE
from elbound.theory.symbols import K, chi2, d, gap, w_min
GIVEN = (WEIGHT_AWAY_FROM_ZERO, WEIGHT_VARIANCE)
first = LogGap(w_min) * chi2 / K
"""
DESCENT = """
from sympy import Le
from elbound.theory.claim import Claim
from elbound.theory.settings import GRADIENT_DESCENT_RUN, SMOOTH, total
from elbound.theory.symbols import Delta, gamma, least_square, n, t
# True where gamma_max * L <= 1.
MINE = Claim(GRADIENT_DESCENT_RUN, Le(least_square[n], 2 * Delta / total(gamma[t])), assuming=(SMOOTH,))
"""
ASSUMED = (
    "MINE = Claim(GRADIENT_DESCENT_RUN, Le(least_square[n], Delta / STEPS), assuming=(SMOOTH, gamma_max * L < 2))\n"
)
SIX = {
    "right": (0, "", IWAE + "MINE = Claim(IWAE, Le(gap[K], first), assuming=GIVEN)\n"),
    "loose": (0, "loose", IWAE + "MINE = Claim(IWAE, Le(gap[K], 5 * first), assuming=GIVEN)\n"),
    "constant": (1, "", IWAE + "MINE = Claim(IWAE, Le(gap[K], first / 2), assuming=GIVEN)\n"),
    "exponent": (1, "", IWAE + "MINE = Claim(IWAE, Le(gap[K], first / K), assuming=GIVEN)\n"),
    "dropped": (1, "", DESCENT),
    "vacuous": (0, "vacuous", IWAE + "MINE = Claim(IWAE, Le(gap[K], 10**9 * first), assuming=GIVEN)\n"),
}

BROKEN = (
    IWAE
    + """
GOOD = Claim(IWAE, Le(gap[K], 2 * first), assuming=GIVEN)
LETTER = Claim(IWAE, Le(gap[K], d))
USES = LETTER.right
QUOTIENT = Claim(IWAE, Le(gap[K], LogGap.quotient(w_min) * chi2 / K), assuming=GIVEN)
NUMBER = Claim(IWAE, Le(gap[K], (chi2 + log(w_min)) / (w_min - w_min * 1.0)), assuming=GIVEN)
NEGATIVE = Claim(IWAE, Le(gap[K], -1 - chi2 / K), assuming=GIVEN)
COMPLEX = Claim(IWAE, Le(gap[K], sqrt(chi2 - 10**9)), assuming=GIVEN)
UNKNOWN = Claim(IWAE, Le(gap[K], first * Symbol("g")), where={Symbol("g"): 1 + w_min}, assuming=GIVEN)
SPECIAL = Claim(IWAE, Le(gap[K], __import__("sympy").gamma(chi2 + 1)), assuming=GIVEN)
TWIN = Claim(IWAE, Le(gap[K], 3 * first), assuming=GIVEN)
Twin = Claim(IWAE, Le(gap[K], 4 * first), assuming=GIVEN)
NOWHERE = Claim(Setting("elsewhere", "measured by nobody", (K,), (gap,)), Le(gap[K], K))
while True:
    pass
"""
)
OWN = (
    SQUARES
    + """
class Raises(Squares):
    key = "own/raises"

    def measure(self, configuration, context, fault=""):
        return {}["a key"]


class Endless(Squares):
    key = "own/endless"

    def measure(self, configuration, context, fault=""):
        while True:
            try:
                configuration["x"]
            except BaseException:
                pass


class Keyless(Squares):
    key = None


squares, raises, endless, keyless = Squares(), Raises(), Endless(), Keyless()
BELOW = Claim(SQUARE, Le(y, x))
LONG = Claim(SQUARE, Le(y, x + Sum(y**2, (Symbol("j", integer=True), 1, 10**9))))
"""
)
FAULTY = (
    SQUARES
    + """
class Faulty(Squares):
    key = "own/faulty"
    faults = {"root": "a half", "nothing": "a half", "raising": "a half", "stuck": "a half"}

    def measure(self, configuration, context, fault=""):
        while fault == "stuck":
            pass
        value = configuration["x"] ** {"root": 0.5, "raising": "x"}.get(fault, 2)
        return Exact({y: Interval.around(value, 1e-15)})


class Lost(Squares):
    key = "own/lost"
    faults = {"nowhere": "a third"}


class Unplaced(Squares):
    key = "own/unplaced"
    instances = {"a half": 0.5}


class Shared(Squares):
    key = "own/shared"
    share = "much"


faulty, lost, unplaced, shared = Faulty(), Lost(), Unplaced(), Shared()
BELOW = Claim(SQUARE, Le(y, x))
WEAK = Claim(SQUARE, Le(y, 9 * x))
"""
)


def line(source: str, start: str) -> int:
    """The line of a source that begins so."""
    return next(number for number, text in enumerate(source.splitlines(), start=1) if text.lstrip().startswith(start))


class Checks:
    """Commands in a user's folder, all started together; each is waited for when a test asks for it."""

    def __init__(self, folder: Path, pool: ThreadPoolExecutor) -> None:
        self.folder = folder
        for package in ("impl", "reports"):
            (folder / package).mkdir()
            (folder / package / "__init__.py").write_text(f"raise RuntimeError('imported {package}')\n")
        sources = {name: source for name, (_, _, source) in SIX.items()} | {
            "broken": BROKEN,
            "own": OWN,
            "faulty": FAULTY,
        }
        for name, source in sources.items():
            (folder / f"{name}.py").write_text(source)
        self._said: dict[str, Future[subprocess.CompletedProcess[str]]] = {
            name: pool.submit(self.run, "check", f"{name}.py", *words, "--output", f"out-{name}", "--profile", "quick")
            for name, words in {
                **dict.fromkeys(SIX, ()),
                **dict.fromkeys(("broken", "own", "faulty"), ("--limit", "4")),
            }.items()
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [*ELBOUND, *words]
        return subprocess.run(
            command, cwd=self.folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=TIMEOUT
        )

    def said(self, name: str) -> subprocess.CompletedProcess[str]:
        return self._said[name].result()

    def summary(self, name: str) -> dict[str, Any]:
        self.said(name)
        found: dict[str, Any] = json.loads((self.folder / f"out-{name}" / "summary.json").read_text())
        return found

    def claims(self, name: str) -> dict[str, dict[str, Any]]:
        return {claim["part"] or claim["key"]: claim for claim in self.summary(name)["claims"]}

    def rows(self, name: str) -> list[Row]:
        self.said(name)
        with Ledger.open(self.folder / f"out-{name}" / "ledger.sqlite", readonly=True) as ledger:
            return list(ledger.rows())


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checks]:
    with ThreadPoolExecutor(2) as pool:
        yield Checks(tmp_path_factory.mktemp("user"), pool)


@pytest.mark.parametrize("name", SIX)
def test_a_bound_is_told_right_loose_wrong_or_vacuous(checks: Checks, name: str) -> None:
    code, word, _ = SIX[name]
    said, claim = checks.said(name), checks.claims(name)[name]
    assert said.returncode == code, said.stdout + said.stderr
    assert said.stderr == ""
    assert claim["verdict"] == ("refuted" if code else "supported")
    assert [weakness for weakness in ("loose", "vacuous") if claim[weakness]] == ([word] if word else [])
    table = said.stdout.partition(f"{name} ({name}.py")[0]
    assert [weakness for weakness in ("loose", "vacuous") if f", {weakness}" in table] == ([word] if word else [])


@pytest.mark.parametrize("name", [name for name, (code, _, _) in SIX.items() if code])
def test_a_refuted_bound_comes_with_a_witness_that_is_drawn_and_replayed(checks: Checks, name: str) -> None:
    witness = checks.claims(name)[name]["witness"]["smallest"]
    assert witness["left"] > witness["right"]
    command = f"elbound replay {witness['identity']} {name}.py"
    assert command in checks.said(name).stdout
    page = (checks.folder / f"out-{name}" / "index.html").read_text()
    assert command in page
    assert 'class="cross"' in page


def test_a_witness_is_replayed_as_printed(checks: Checks) -> None:
    witness = checks.claims("constant")["constant"]["witness"]["smallest"]["identity"]
    said = checks.run("replay", witness, "constant.py", "--output", "out-constant")
    assert "identical, bit for bit" in said.stdout, said


def test_the_form_of_a_bound_is_told_and_numeric_answers_are_flagged(checks: Checks) -> None:
    answers = {answer["question"]: answer for answer in checks.claims("right")["right"]["symbolic"]}
    assert {"letters", "sign", "in K", "in chi2", "in w_min", "order in K"} == answers.keys()
    assert (answers["order in K"]["answer"], answers["order in K"]["how"]) == ("K^(-1)", "symbolic")
    assert (answers["in w_min"]["answer"], answers["in w_min"]["how"]) == ("decreasing", "numeric")
    assert "  in w_min: decreasing (numeric)\n" in checks.said("right").stdout
    assert "What the right side looks like" in (checks.folder / "out-right" / "index.html").read_text()


def test_a_bound_is_placed_among_the_known_ones_with_a_plot_of_both(checks: Checks) -> None:
    (same,), (looser,) = (checks.claims(name)[name]["place"] for name in ("right", "loose"))
    assert same["claim"] == looser["claim"] == "importance/two-sided-gap/upper"
    assert (same["word"], same["tighter"], same["looser"]) == ("the same", 0, 0)
    # Where the encoder is the posterior both bounds are zero; everywhere else one is five times the other.
    bounds = [row.right for row in checks.rows("loose") if row.judged and not row.version]
    assert 0 < bounds.count(0.0) < len(bounds) == looser["configurations"]
    assert (looser["word"], looser["tighter"]) == ("dominated: nowhere tighter", 0)
    assert looser["looser"] == pytest.approx(1 - bounds.count(0.0) / len(bounds), rel=1e-12)
    assert same["configurations"] == sum(checks.claims("right")["right"]["configurations"][v] for v in ("supported",))
    page = (checks.folder / "out-loose" / "index.html").read_text()
    assert "This bound against that of importance/two-sided-gap/upper" in page


# Broken files


def test_every_problem_of_a_file_is_one_line_with_file_and_line_and_spoils_no_other_claim(checks: Checks) -> None:
    said, claims = checks.said("broken"), checks.claims("broken")
    assert said.returncode == 2, said
    assert "Traceback" not in said.stdout + said.stderr
    for name in ("good", "twin"):
        assert claims[name]["verdict"] == "supported"
        assert claims[name]["configurations"]["error"] == 0
    told = {
        "LETTER": "ClaimError: relation: unknown symbol d; setting iwae has K, N, chi2",
        "USES": f"NameError: name 'LETTER' is not defined, which line {line(BROKEN, 'LETTER')} failed to define",
        "Twin": f"claim Twin: the claim TWIN of line {line(BROKEN, 'TWIN')} has the same key",
        "while True": f"time limit: still running after {LIMIT} s",
    }
    problems = checks.summary("broken")["run"]["problems"]
    for start, words in told.items():
        number = line(BROKEN, start) + (start == "while True")
        (problem,) = [x for x in problems if f"broken.py:{number}: " in x or f"broken.py:{number - 1}: {words}" in x]
        assert words in problem
        assert problem in said.stdout
    assert any(f"broken.py:{line(BROKEN, 'NEGATIVE')}: claim broken/negative: its right side" in x for x in problems)
    assert any("no experiment on the setting elsewhere" in problem for problem in problems)


@pytest.mark.parametrize(("part", "words"), {"number": "", "complex": "sqrt", "special": "gamma"}.items())
def test_a_bound_without_a_value_is_an_error_that_names_file_and_line(checks: Checks, part: str, words: str) -> None:
    claim = checks.claims("broken")[part]
    assert claim["verdict"] == "not judged"
    rows = [row for row in checks.rows("broken") if row.claim == f"broken/{part}" and not row.version]
    reasons = {row.reason for row in rows if row.reason}
    where = f"broken.py:{line(BROKEN, part.upper())}: "
    errors = [reason for reason in reasons if reason.startswith(where)]
    assert errors
    assert all(words in reason and "\n" not in reason for reason in errors)
    told = [told for told in checks.said("broken").stdout.splitlines() if told.startswith(f"error: broken/{part} ")]
    assert len(told) == 1
    assert where in told[0]


def test_a_bound_that_is_a_quotient_of_zeros_somewhere_is_an_error_there_and_judged_elsewhere(checks: Checks) -> None:
    """The weights' infimum is one where the encoder is the posterior, and nowhere else."""
    every = [row for row in checks.rows("broken") if row.claim == "broken/quotient" and not row.version]
    rows, failed = [x for x in every if x.judged], [x for x in every if x.verdict is Verdict.ERROR]
    assert failed
    assert {(row.configuration["Q/P"], row.configuration["shift"]) for row in failed} == {(1.0, 0.0)}
    assert all("the right side is anything between -inf and inf: not a number" in row.reason for row in failed)
    assert rows
    assert all(row.parameters["w_min"] < 1 for row in rows)
    assert {row.verdict for row in rows} == {Verdict.SUPPORTED}


def test_no_row_holds_a_nan(checks: Checks) -> None:
    for row in [*checks.rows("broken"), *checks.rows("own")]:
        values = (row.left, row.right, row.error, row.ratio, row.certified_ratio, row.resolution, row.log_e)
        assert not any(math.isnan(value) for value in (*values, *row.rivals.values()) if value is not None)


# A user's own setting and experiments


def test_experiments_of_ones_own_are_judged_though_others_raise_or_never_end(checks: Checks) -> None:
    said, claim = checks.said("own"), checks.claims("own")["below"]
    assert said.returncode == 2, said
    assert "Traceback" not in said.stdout + said.stderr
    assert claim["verdict"] == "supported"
    assert claim["configurations"]["supported"] >= 20
    reasons = {row.reason for row in checks.rows("own") if row.claim == "own/below" and row.verdict is Verdict.ERROR}
    raised = f"own.py:{line(OWN, 'return {}')}: KeyError: 'a key'"
    assert raised in reasons
    assert said.stdout.count(raised) == 1
    (stopped,) = (reason for reason in reasons if "time limit" in reason)
    assert f"experiment own/endless was still at work after {LIMIT} s, in own.py:" in stopped
    within = range(line(OWN, "while True"), line(OWN, "except BaseException") + 2)
    assert int(stopped.partition("own.py:")[2].partition(":")[0]) in within


def test_a_claim_that_takes_too_long_is_named_with_its_line(checks: Checks) -> None:
    claim = checks.claims("own")["long"]
    assert claim["verdict"] == "not judged"
    reasons = {row.reason for row in checks.rows("own") if row.claim == "own/long" and row.experiment == "own/squares"}
    (reason,) = reasons
    where = f"own.py:{line(OWN, 'LONG')}"
    assert reason.startswith(f"{where}: time limit: claim own/long was still at work after {LIMIT} s, in ")


def test_an_experiment_that_lacks_something_is_a_problem_that_names_it(checks: Checks) -> None:
    problems = checks.summary("own")["run"]["problems"]
    assert any(f"own.py:{line(OWN, 'squares, raises')}: experiment keyless: needs key (a str)" in x for x in problems)


def test_planted_faults_of_an_experiment_of_ones_own_are_tried_and_each_outcome_is_told(checks: Checks) -> None:
    said, claims = checks.said("faulty"), checks.claims("faulty")
    rows = {row.version: row for row in checks.rows("faulty") if row.version.startswith("fault: ")}
    assert {(row.claim, row.experiment) for row in rows.values()} == {("faulty/below", "own/faulty")}
    assert {version.removeprefix("fault: "): row.verdict for version, row in rows.items()} == {
        "root": Verdict.REFUTED,
        "nothing": Verdict.SUPPORTED,
        "raising": Verdict.ERROR,
        "stuck": Verdict.ERROR,
    }
    assert rows["fault: raising"].reason.startswith(f"faulty.py:{line(FAULTY, 'value = ')}: TypeError: ")
    stuck = f"fault stuck of own/faulty was still at work after {LIMIT} s, in faulty.py:"
    assert stuck in rows["fault: stuck"].reason
    assert [claims[name]["verdict"] for name in ("below", "weak")] == ["supported", "supported"]
    for name, outcome in {"root": "noticed", "nothing": "not noticed by any claim"}.items():
        assert f"  planted fault: {name}: {outcome}\n" in said.stdout
    page = (checks.folder / "out-faulty" / "index.html").read_text()
    assert page.count("planted fault</span>") == len(rows)
    assert said.returncode == 2


def test_what_an_experiment_gives_that_cannot_be_used_is_one_line_each(checks: Checks) -> None:
    place = f"faulty.py:{line(FAULTY, 'faulty, lost')}: experiment"
    problems = [problem.rpartition("/")[2] for problem in checks.summary("faulty")["run"]["problems"]]
    assert problems == [
        f"{place} lost: fault 'nowhere' is planted on 'a third'; allowed: the name of one of its instances",
        f"{place} unplaced: instance 'a half' is 0.5; allowed: a mapping with a value for x",
        f"{place} shared: share is 'much'; allowed: above 0, at most 1",
    ]


def test_what_took_too_long_is_not_tried_again_when_resuming(checks: Checks) -> None:
    before = checks.rows("own")
    words = ("check", "own.py", "--output", "out-own", "--profile", "quick", "--limit", "4", "--resume")
    assert checks.run(*words).returncode == 2
    assert checks.rows("own") == before
