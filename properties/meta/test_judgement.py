"""Two enclosed numbers compared: where they touch, how near is equal, and what part the one is of the other."""

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from sympy import Eq, Ge, Le, Symbol

from elbound.properties import judgement
from elbound.properties.evidence.intervals import Interval
from elbound.properties.judgement import Judgement
from elbound.reports.row import Verdict

X, p = Symbol("X", nonnegative=True), Symbol("p", positive=True)
EPS = 2.0**-53


def test_enclosures_that_touch_contradict_nothing() -> None:
    low, high = Interval.between(0.0, 1.0), Interval.between(1.0, 2.0)
    for relation, left, right, verdict in (
        (Le(X, p), high, low, Verdict.CONSISTENT),
        (Le(X, p), low, high, Verdict.SUPPORTED),
        (Ge(X, p), low, high, Verdict.CONSISTENT),
        (Ge(X, p), high, low, Verdict.SUPPORTED),
        (Eq(X, p), low, high, Verdict.CONSISTENT),
        (Eq(X, p), high, low, Verdict.CONSISTENT),
    ):
        assert judgement.compare(relation, left, right) == (verdict, "")


def test_sides_agree_up_to_and_with_the_named_relative_error(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = Interval.between(1.0, 1.25), Interval.between(1.125, 1.5)
    error = judgement.relative_error(left, right)
    # Widths 1/4 and 3/8 against the larger middle, 21/16; each width is rounded up once.
    assert error == pytest.approx((1 / 4 + 3 / 8) / (21 / 16), rel=4 * EPS)
    for agreement, verdict in ((error, Verdict.SUPPORTED), (error * (1 - EPS), Verdict.CONSISTENT)):
        monkeypatch.setattr(judgement, "AGREEMENT", agreement)
        assert judgement.compare(Le(X, p), left, right)[0] is verdict
    assert judgement.relative_error(Interval.of(0.0), Interval.of(0.0)) == 0


@pytest.mark.parametrize(
    ("small", "large", "part"),
    [(1, 2, 0.5), (-2, -1, 0.5), (-1, -2, 2.0), (1, -2, -0.5), (-1, 2, -0.5), (0, -1, 0.0), (0.5, -1, -0.5)],
)
def test_the_part_of_the_larger_side_depends_on_the_signs(small: float, large: float, part: float) -> None:
    assert judgement.part(small, large) == part
    assert judgement.ratios(Interval.of(small), Interval.of(large))[0] == (part if small else None)


def test_nothing_is_a_part_of_zero_or_of_what_may_be_zero() -> None:
    assert judgement.part(-1, 0) is None
    assert judgement.part(math.inf, 2) is None
    near = Interval.between(-1.0, 0.5)
    for small in (Interval.of(1.0), Interval.of(-2.0)):
        assert judgement.ratios(small, near) == (None, None)
    assert judgement.ratios(Interval.between(-1.0, 0.0), Interval.of(-2.0)) == (None, None)
    assert judgement.ratios(Interval.between(-1.0, 0.0), Interval.of(2.0)) == (-0.25, -0.5)
    assert judgement.ratios(Interval.of(-1.0), Interval.of(0.5)) == (-2.0, -2.0)
    assert judgement.ratios(Interval.of(-2.0), Interval.between(-1.0, 0.0)) == (None, None)
    # From zero away by a third of one, on either side.
    assert judgement.ratios(Interval.of(1.0), Interval.between(0.5, 1.5)) == (1.0, 1.0 / 1.5)


def test_one_number_is_made_of_a_single_entry_of_any_shape_and_of_nothing_else() -> None:
    for shape in ((), (1,), (1, 1)):
        found = judgement.single(Interval(np.full(shape, 0.25), np.full(shape, 0.5)))
        assert found.shape == ()
        assert (float(found.low), float(found.high)) == (0.25, 0.5)
    for shape in ((0,), (2,), (1, 3)):
        with pytest.raises(ValueError, match="an index was left free"):
            judgement.single(Interval(np.full(shape, 0.25), np.full(shape, 0.5)))


def test_the_whole_line_has_no_middle_and_a_half_line_has() -> None:
    assert math.isnan(judgement.middle(Interval.between(-math.inf, math.inf)))
    assert judgement.middle(Interval.between(0.5, 1.5)) == 1.0
    for low, high in ((0.0, math.inf), (-math.inf, 0.0)):
        assert not math.isnan(judgement.middle(Interval.between(low, high)))


def test_a_judgement_says_nothing_that_was_not_said() -> None:
    found = Judgement(Verdict.CONSISTENT)
    assert (found.basis, found.reason, found.replicates, found.doubt) == ("", "", 0, 0.0)
    assert (found.vacuous, found.confirmed) == (False, False)
    assert {found.left, found.right, found.error, found.ratio, found.certified_ratio, found.resolution} == {None}
    with pytest.raises(FrozenInstanceError):
        found.verdict = Verdict.REFUTED  # type: ignore[misc]
