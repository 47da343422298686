"""What a user's file may hold: claims of the catalogue for an own experiment, own letters, and slips."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elbound.properties.analysis import Analysis, BadInput, read_analysis
from elbound.properties.campaign import run_task, tasks_of
from elbound.properties.docket import Brief, docket_of, entry_of
from elbound.properties.plugin import is_analysis
from elbound.properties.symbolic import symbolic_checks
from elbound.reports.row import Row, Verdict
from elbound.theory.claim import meaning
from elbound.theory.symbols import ALPHABET, CATALOGUE, d

Read = Callable[[str], Analysis]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def reading(text: str) -> Analysis:
        (tmp_path / "mine.py").write_text(text, encoding="utf-8")
        return read_analysis(tmp_path / "mine.py", 60.0)

    return reading


OWN = """
from elbound.theory.symbols import {letters}
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import At, Exact, Experiment, Sample, Situation, Steps
from elbound.properties.experiments.soft_clip import SoftClipShape
{more}
class Clip(SoftClipShape):
    key, title, faults = "own/clip", "a clip of my own", {{"steeper": "{instance}"}}
    instances = {{"{instance}": SoftClipShape.instances["{instance}"]}}
    def measure(self, configuration, context, fault=""):
        found = super().measure(configuration, context).values
        return Exact({{x: 2 * value if fault else value for x, value in found.items()}})
CLIP = Clip()
"""


def clip(more: str = "") -> str:
    from elbound.properties.experiments.soft_clip import SoftClipShape

    return OWN.format(letters="s", more=more, instance=next(iter(SoftClipShape.instances)))


def judged(tmp_path: Path) -> list[Row]:
    brief = Brief("quick", file=str(tmp_path / "mine.py"))
    tasks = [task for task in tasks_of(brief) if task.kind in ("instances", "fault")]
    assert {task.experiment for task in tasks} == {"own/clip"}
    return [row for task in tasks for row in run_task(brief, task).rows]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("from elbound.theory.smoothness.soft_clipping import BELOW", {"mine"}),
        ("from elbound.theory.smoothness.soft_clipping import BELOW\nRENAMED = BELOW", {"mine/renamed", "mine"}),
        (
            "import dataclasses as y\nfrom elbound.theory.smoothness import soft_clipping as x\nC = y.replace(x.BELOW)",
            {"mine", "mine/c"},
        ),
        ('JUDGED_BY = ("smoothness/soft-clipping/below",)', {"mine/smoothness/soft-clipping/below"}),
        ('JUDGED_BY = "smoothness/soft-clipping/b*"', {"mine/smoothness/soft-clipping/below"}),
    ],
    ids=["import", "another name", "replace", "by name", "by pattern"],
)
def test_a_claim_of_the_catalogue_is_judged_on_a_users_own_experiment_and_nowhere_else(
    read: Read, tmp_path: Path, text: str, names: set[str]
) -> None:
    found = read(clip(text))
    assert not found.problems
    assert len(found.listed) == 1
    assert found.listed[0].name in names
    assert found.borrowed == {found.listed[0].name}
    assert found.listed[0].where.startswith("mine.py:")
    rows = judged(tmp_path)
    assert {row.experiment for row in rows} == {"own/clip"}
    own = [row for row in rows if not row.version]
    assert own
    assert {row.verdict for row in own} <= {Verdict.SUPPORTED, Verdict.CONSISTENT}
    # The wrong versions and the planted fault go along.
    versions = {row.version for row in rows if row.version}
    assert {f"wrong: {name}" for name in found.listed[0].claim.versions} <= versions
    assert "fault: steeper" in versions
    assert is_analysis(tmp_path / "mine.py")


def test_without_an_experiment_that_serves_it_an_imported_claim_is_no_users(read: Read) -> None:
    with pytest.raises(BadInput, match=r"defines no Claim; assign one .* JUDGED_BY"):
        read("from elbound.theory.smoothness.soft_clipping import BELOW\n")
    with pytest.raises(BadInput, match="defines no Claim"):
        read(clip("from elbound.theory.estimators.unbiased import MEAN"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('"smoothness/soft-clippin"', "unknown; did you mean smoothness/soft-clipping"),
        ('("estimators/unbiased",)', "no experiment of this file on encoder-gradient"),
        ("(3,)", "JUDGED_BY is (3,); allowed: names of claims"),
        ("7", "JUDGED_BY is 7; allowed: names of claims"),
    ],
    ids=str,
)
def test_what_cannot_judge_is_one_line(read: Read, given: str, said: str) -> None:
    with pytest.raises(BadInput) as failure:
        read(clip(f"\nJUDGED_BY = {given}"))
    assert said in str(failure.value)
    assert "mine.py:7: " in str(failure.value)
    assert "\n" not in str(failure.value)


def test_an_experiment_without_an_instance_is_told(read: Read) -> None:
    text = clip("from elbound.theory.smoothness.soft_clipping import BELOW").replace("CLIP = Clip()\n", "")
    with pytest.raises(BadInput, match=r"mine.py:7: experiment Clip: a class without an instance; .* MINE = Clip\(\)"):
        read(text)


@pytest.mark.parametrize(
    ("gave", "said"),
    [
        ("None", "gave None; expected Exact, Sample or Series"),
        ("1.0", "gave 1.0, a float; expected Exact, Sample or Series"),
        ("float('nan')", "gave nan, a float; expected Exact, Sample or Series"),
        ("Exact({}),", "a tuple; expected Exact, Sample or Series"),
        ("{s: 1.0}", "gave {s: 1.0}, a dict; expected Exact"),
        ("Exact", "a ABCMeta; expected Exact, Sample or Series"),
        ("Exact({s: Interval.of(1.0)})", "gave s, unknown here; setting soft-clip has"),
        ("Exact({s: 1.0})", "mine.py:12: TypeError: Exact: s is 1.0, a float; expected an Interval"),
    ],
    ids=str,
)
def test_what_measure_gives_wrongly_is_one_line_with_its_place(
    read: Read, tmp_path: Path, gave: str, said: str
) -> None:
    text = clip('JUDGED_BY = "smoothness/soft-clipping/below"')
    start = text.index("        return Exact(")
    read(text[:start] + f"        return {gave}\nCLIP = Clip()\n")
    rows = [row for row in judged(tmp_path) if not row.version]
    assert {row.verdict for row in rows} == {Verdict.ERROR}
    for row in rows:
        assert said.replace("a ABCMeta", "") in row.reason or "ABCMeta" in row.reason
        assert "mine.py:" in row.reason
        assert "\n" not in row.reason


LETTERS = """
from sympy import Le, Symbol
from elbound.theory.claim import Claim, Setting
from elbound.theory.symbols import beta, quantity, curve
d = quantity("d", "distance to my goal", r"\\delta", positive=True)
gap = curve("gap", "what is left of it", r"\\gamma")
K = Symbol("K", integer=True, positive=True)
OWN = Setting("own", "of my own", (d, K, beta), (gap,))
MINE = Claim(OWN, Le(gap[1], d * K * beta))
"""


def test_a_users_letters_have_the_meaning_that_the_user_gives_them(read: Read) -> None:
    found = read(LETTERS)
    assert [x for x in found.problems if "no experiment on the setting own" not in x] == []
    claim = found.listed[0].claim
    assert r"\delta" in claim.latex
    assert r"\gamma" in claim.latex
    assert "gap" not in claim.latex
    told = symbolic_checks(claim, ())[0]["answer"]
    assert "d (parameter: distance to my goal)" in told
    assert "beta (parameter: weight of the KL term)" in told  # imported, so it is the catalogue's
    assert "K (parameter)" in told  # written by the user, and no meaning given
    own = next(x for x in claim.setting.parameters if str(x) == "d")
    assert own != d
    assert meaning(d) == "data dimension"
    assert {x for x in ALPHABET if x in CATALOGUE} == CATALOGUE
    # Another file's letter of that name is another letter still.
    again = read(LETTERS.replace("distance to my goal", "depth of my hole")).listed[0].claim
    assert again.setting.parameters[0] != own
    assert meaning(own) == "distance to my goal"
    assert meaning(again.setting.parameters[0]) == "depth of my hole"


def test_a_letter_that_is_imported_takes_no_second_meaning(read: Read) -> None:
    with pytest.raises(BadInput, match="symbol beta: imported as “weight of the KL term”; choose another letter"):
        read("from elbound.theory.symbols import beta, quantity\nbeta = quantity('beta', 'my own')\n")
    with pytest.raises(BadInput, match="symbol u: already means “one”"):
        read("from elbound.theory.symbols import quantity\nu, w = quantity('u', 'one'), quantity('u', 'two')\n")


SLIPS: dict[str, Any] = {
    "gap[K] == chi2": "write Eq(left, right)",
    "Le(gap[K], math.log(K))": "from sympy import exp, log, sqrt",
    "Le(gap[K], np.log(K))": "functions of letters are sympy's",
    "Le(gap[K], chi2), assuming=WEIGHT_BOUNDED": "write assuming=(FACT,) with the comma",
    "Le(gap[K], chi2) and Ge(gap[K], 0)": "assuming=(a < b, b < c)",
    "0 <= gap[K] <= chi2": "assuming=(a < b, b < c)",
    "Le(gap[K], max(chi2, K))": "write Max and Min of sympy",
    "Le(gap[K], chi2), assuming=(2 > 1,)": "one side needs a letter of the setting",
    "Le(1.0, 2.0)": "one side needs a letter of the setting",
    "gap[K] < chi2": "write Le or Ge",
    "gap[K] - chi2": "write Le(left, right)",
    "Le(gap(K), chi2)": "a curve takes its index in brackets",
    "Le(gap, chi2)": "a curve, which stands with its index, as in gap[1]",
    "Le(K[1], chi2)": "this letter has no index",
    "Le(gap[K], chi2 ^ 2)": "a power is written with **",
    "Le(gap[K], sum(chi2 for j in range(K)))": "Sum(term, (t, 1, n))",
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_one_line_that_says_what_to_write_instead(read: Read, slip: str) -> None:
    text = (
        "import math\nimport numpy as np\nfrom sympy import Ge, Le\nfrom elbound.theory.claim import Claim\n"
        "from elbound.theory.settings import IWAE, WEIGHT_BOUNDED\nfrom elbound.theory.symbols import K, chi2, gap\n"
        f"FINE = Claim(IWAE, Ge(gap[K], 0))\nSLIP = Claim(IWAE, {slip})\n"
    )
    found = read(text)
    assert [x.name for x in found.listed] == ["mine"]
    (problem,) = found.problems
    assert "mine.py:8: " in problem
    assert SLIPS[slip] in problem
    assert "\n" not in problem


def test_a_claim_without_a_proof_says_that_none_is_given(read: Read) -> None:
    text = (
        "from sympy import Ge\nfrom elbound.theory.claim import Claim\nfrom elbound.theory.settings import IWAE\n"
        "from elbound.theory.symbols import K, gap\n"
        "BARE = Claim(IWAE, Ge(gap[K], 0))\nWITH = Claim(IWAE, Ge(gap[K], 0), proof='By Jensen.')\n"
    )
    bare, proved = (entry_of(x).source for x in read(text).listed)
    assert bare == "No source and no proof idea are given"
    assert "proof idea stands beside" in proved


def test_the_docket_of_a_file_holds_only_experiments_that_try_something(read: Read, tmp_path: Path) -> None:
    read(clip("from elbound.theory.smoothness.soft_clipping import BELOW"))
    docket = docket_of(Brief(file=str(tmp_path / "mine.py")))
    assert [x.key for x in docket.experiments] == ["own/clip"]
