"""What is asked of a bound, its place among known ones, and the time limits both live under."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from sympy import Eq, Expr, Ge, Le, exp, log, sqrt

from elbound.properties import limits, symbolic
from elbound.properties.experiment import experiments
from elbound.properties.limits import TimeLimit, read_note, stopped_after
from elbound.properties.meta import synthetic
from elbound.properties.place import rivals_of
from elbound.properties.symbolic import Point, Question, impossible, order_of, sign_of, symbolic_checks
from elbound.reports.place import places_of
from elbound.reports.row import Row
from elbound.reports.summary import is_loose, is_vacuous
from elbound.theory.catalogue import Listed, catalogue
from elbound.theory.claim import Claim
from elbound.theory.settings import IWAE, SGD_RUN, total
from elbound.theory.symbols import C, Delta, K, L, a, chi2, gap, n, t, w_min

QUADRATURE = next(x for x in experiments() if x.key == "importance/gaussian-posterior")


def answers(claim: Claim, points: Sequence[Mapping[str, float]]) -> dict[str, tuple[str, str]]:
    judged = [Point(values, 1.0, 2.0) for values in points]
    return {x["question"]: (x["answer"], x["how"]) for x in symbolic_checks(claim, judged)}


# Questions


@pytest.mark.parametrize(
    ("expression", "sign"),
    [
        (chi2 / K, "not negative"),
        (L / K, "positive"),
        (-L, "negative"),
        (-chi2, "not positive"),
        (L - L, "zero"),
        (L - C, ""),
        (L**2 - 2 * L * C + C**2, "not negative"),
    ],
    ids=str,
)
def test_the_sign_of_a_bound_follows_from_its_letters(expression: Expr, sign: str) -> None:
    assert sign_of(expression) == sign


@pytest.mark.parametrize(
    ("expression", "order"),
    [
        (chi2 / K**2, "K^(-2)"),
        (L * log(K) / sqrt(K), "K^(-1/2) log(K)^(1)"),
        (1 / log(K + 1), "log(K)^(-1)"),
        (L + 1 / K, "constant"),
        (exp(K), "faster than every power of K"),
    ],
    ids=str,
)
def test_the_order_of_a_bound_is_found_with_its_logarithms(expression: Expr, order: str) -> None:
    assert order_of(expression, K) == order


def test_what_sympy_leaves_open_is_read_off_numbers_and_flagged() -> None:
    bound = (Delta + total(C**2 / t) * L) / total(C / sqrt(t) * (1 - L * C / sqrt(t) / 2))
    claim = Claim(SGD_RUN, Le(total(a[t]) / n, bound), assuming=(L * C < 2,))
    points = [{"n": float(m), "C": 0.5, "L": 1.0 + m / 100, "Delta": 1.0} for m in range(2, 40)]
    found = answers(claim, points)
    assert found["in n"] == ("decreasing", "numeric")
    assert found["in Delta"][0] == "increasing"
    assert found["where C*L comes to 2"][1] == "numeric"
    assert found["order in n"][1] == "numeric"
    # (A + B log n) / sqrt n has a local slope between -1/2 and 0.
    slopes = [float(word.strip("()^n")) for word in found["order in n"][0].split() if word.strip("()^n")[:1] == "-"]
    assert slopes
    assert all(-0.5 < slope < 0 for slope in slopes)


def test_a_bound_that_turns_is_said_to_turn() -> None:
    claim = Claim(IWAE, Le(gap[K], (w_min - 1) ** 2 + chi2))
    found = answers(claim, [{"w_min": x, "chi2": 1.0, "K": 1.0} for x in (0.2, 0.5, 1.5, 3.0)])
    assert found["in w_min"] == ("increasing here, decreasing there", "numeric")
    assert found["in chi2"] == ("increasing", "symbolic")


def test_a_bound_that_blows_up_where_an_assumption_ends_is_said_to() -> None:
    found = answers(Claim(SGD_RUN, Le(a[1], Delta / (2 - L * C)), assuming=(L * C < 2,)), [])
    assert found["where C*L comes to 2"] == ("grows without limit", "symbolic")
    flat = answers(Claim(SGD_RUN, Le(a[1], Delta * (3 - L * C)), assuming=(L * C < 2,)), [])
    assert flat["where C*L comes to 2"] == ("stays finite", "symbolic")


def test_a_question_without_end_is_left_open_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symbolic, "SECONDS", 0.1)

    def endless() -> str:
        while True:
            pass

    assert Question("ever", endless, endless).answered() == {"question": "ever", "answer": "open", "how": "open"}
    told = Question("ever", endless, lambda: "positive").answered()
    assert (told["answer"], told["how"]) == ("positive", "numeric")


@pytest.mark.parametrize(
    ("relation", "sides", "said"),
    [
        (Le(gap[K], -chi2), [(0.1, -1.0), (0.0, -2.0)], True),
        (Le(gap[K], -chi2), [(0.1, -1.0), (0.0, 2.0)], False),
        (Le(gap[K], -chi2), [(-0.1, -1.0)], False),
        (Le(gap[K], -chi2), [], False),
        (Ge(gap[K], -chi2), [(0.1, -1.0)], False),
    ],
    ids=str,
)
def test_an_upper_bound_that_is_negative_everywhere_is_a_problem(
    relation: Le, sides: list[tuple[float, float]], said: bool
) -> None:
    listed = Listed("mine", None, Claim(IWAE, relation), "", "mine.py:3")
    found = impossible(listed, [Point({}, left, right) for left, right in sides])
    assert found.startswith("mine.py:3: claim mine: its right side is negative") is said
    assert bool(found) is said


# Place


def test_known_claims_with_the_same_left_side_and_direction_are_rivals() -> None:
    claim = Claim(IWAE, Le(gap[K], chi2))
    names = {rival.name for rival in rivals_of(claim, QUADRATURE)}
    assert "importance/two-sided-gap/upper" in names
    assert "importance/two-sided-gap/lower" not in names
    assert not any(x.is_finding for x in (rival.claim for rival in rivals_of(claim, QUADRATURE)))


def test_an_identity_is_no_rival_of_a_bound_on_its_left_side() -> None:
    """Beside the exact value every bound that holds is looser."""
    identities = [x for x in catalogue() if isinstance(x.claim.relation, Eq) and x.claim.left != 0]
    assert identities
    for known in identities:
        serving = next(x for x in experiments() if x.setting.serves(known.claim.setting))
        claim = Claim(known.claim.setting, Le(known.claim.left, known.claim.right + 1))
        assert known.name not in {rival.name for rival in rivals_of(claim, serving)}


def test_a_left_side_that_is_a_known_multiple_is_compared_after_rescaling() -> None:
    (rival,) = (
        x
        for x in rivals_of(Claim(IWAE, Le(K**2 * gap[K], chi2)), QUADRATURE)
        if x.name == "importance/two-sided-gap/upper"
    )
    assert rival.factor == K**2
    assert rival.bound == K**2 * rival.claim.right


def test_nothing_is_a_rival_of_another_left_side_or_of_an_equality() -> None:
    assert rivals_of(Claim(IWAE, Le(gap[K] ** 2, chi2)), QUADRATURE) == ()
    assert rivals_of(Claim(IWAE, Eq(gap[K], chi2)), QUADRATURE) == ()


def rows(*pairs: tuple[float, float | None]) -> list[Row]:
    """Rows of a claim whose right side is the first number, beside a known one whose right side is the second."""
    told = ({"mine": own} | ({} if known is None else {"known": known}) for own, known in pairs)
    return [synthetic.row("mine", j, rivals=rivals) for j, rivals in enumerate(told)]


@pytest.mark.parametrize(
    ("pairs", "relation", "word", "tighter", "alone"),
    [
        ([(1.0, 1.0), (2.0, 2.0 + 1e-12)], "<=", "the same", 0, 0),
        ([(1.0, 2.0), (2.0, 3.0)], "<=", "tighter everywhere", 1, 0),
        ([(1.0, 2.0), (2.0, 3.0)], ">=", "dominated: looser everywhere", 0, 0),
        ([(1.0, 2.0), (3.0, 3.0)], "<=", "nowhere looser, tighter here and there", 0.5, 0),
        ([(1.0, 1.0), (4.0, 3.0)], "<=", "dominated: nowhere tighter", 0, 0),
        ([(1.0, 2.0), (4.0, 3.0), (1.0, None)], "<=", "incomparable: tighter here, looser there", 0.5, 1),
    ],
)
def test_the_place_of_a_claim_is_told_in_words_and_shares(
    pairs: list[tuple[float, float | None]], relation: str, word: str, tighter: float, alone: int
) -> None:
    (place,) = places_of(synthetic.entry("mine", relation=relation), rows(*pairs))
    assert (place.word, place.plain["tighter"], place.alone) == (word, tighter, alone)


def test_without_rivals_there_is_no_place() -> None:
    assert places_of(synthetic.entry("mine"), [synthetic.row("mine")]) == []


# Loose and vacuous


@pytest.mark.parametrize(
    ("reaches", "changes", "loose", "vacuous"),
    [
        ([0.3, 0.1], {"error": 0.0}, True, False),
        ([0.3, 0.7], {"error": 0.0}, False, False),
        ([0.59], {"error": 0.1, "right": 1.0, "left": 0.49}, False, False),
        ([0.52], {"error": 0.02, "right": 1.0, "left": 0.4, "replicates": 256}, False, False),
        ([0.42], {"error": 0.02, "right": 1.0, "left": 0.3, "replicates": 256}, True, False),
        ([1e-7, 1e-9], {"error": 0.0}, False, True),
        ([0.9], {"vacuous": True}, False, True),
        ([0.0], {"error": 0.0}, False, True),
        ([None], {}, False, False),
        ([], {}, False, False),
    ],
)
def test_a_bound_is_loose_below_one_half_and_vacuous_below_a_millionth(
    reaches: list[float | None], changes: dict[str, object], loose: bool, vacuous: bool
) -> None:
    # Reach has the measurement's error in the claim's favour; the ratio as written plays no part.
    for ratio in (0.0, 0.1, 0.9):
        judged = [synthetic.row("mine", j, reach=reach, ratio=ratio, **changes) for j, reach in enumerate(reaches)]
        assert (is_loose(judged), is_vacuous(judged)) == (loose, vacuous)


# Time limits


def test_a_limit_ends_work_where_it_stands_though_the_work_swallows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "AGAIN", 0.05)
    swallowed = []

    def stubborn() -> None:
        while True:
            try:
                time.sleep(10)
            except BaseException:
                swallowed.append(1)
                if len(swallowed) == 3:
                    raise

    with pytest.raises(TimeLimit), stopped_after(0.05):
        stubborn()
    assert len(swallowed) == 3


def test_work_in_time_is_left_alone() -> None:
    with stopped_after(0.05):
        done = True
    time.sleep(0.1)
    assert done


HANGS = """
import itertools, sys
from pathlib import Path
from elbound.properties.limits import Watch
with Watch(Path(sys.argv[1]) / "1", 0.3).over({"stopped": "it"}):
    pass
with Watch(Path(sys.argv[1]) / "2", 0.3).over({"stopped": "this"}):
    sum(itertools.count())
"""


def test_a_watch_ends_a_process_that_hangs_in_c_and_leaves_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    script = tmp_path / "hangs.py"
    script.write_text(HANGS)
    ended = subprocess.run([sys.executable, str(script), str(tmp_path / "notes")], timeout=60, check=False)
    assert ended.returncode == 1
    assert read_note(tmp_path / "notes" / "1") is None  # that was done in time
    assert read_note(tmp_path / "notes" / "3") is None
    found = read_note(tmp_path / "notes" / "2")
    assert found is not None
    assert found.piece == {"stopped": "this"}
    assert found.timed_out
    assert found.place(str(script)) == found.place(None) == "hangs.py:8"
