"""An experiment that is not a function of its configuration is an error, and one that is passes."""

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sympy import Le, Symbol

from elbound.properties.campaign import Bench
from elbound.properties.docket import Brief, Docket, docket_of
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Sample, Situation
from elbound.properties.spaces import Configuration, Count, Space
from elbound.properties.twice import difference, elsewhere
from elbound.reports.row import Row, Verdict
from elbound.theory.catalogue import Listed
from elbound.theory.claim import Claim, Setting

level, seen = Symbol("level", real=True), Symbol("seen", real=True)
SETTING = Setting("again", "a thing measured again", parameters=(level,), observables=(seen,), random=True)
BOUND = Listed("again/bound", None, Claim(SETTING, Le(seen, level), proof="none"), "A bound.")


class Again(Experiment):
    """What is measured, and what is fixed, come from two sources of numbers."""

    key = "again"
    title = "a thing"
    setting = SETTING
    space = Space((Count("seed", 0, 9),))
    instances: Mapping[str, Configuration] = {"the first": {"seed": 3}, "the second": {"seed": 4}}

    def __init__(self, fixed: Iterator[float], measured: Iterator[float], *, sampled: bool = False) -> None:
        self.fixed, self.measured, self.sampled = fixed, measured, sampled

    def situation(self, configuration: Configuration, context: Context) -> Situation:  # noqa: ARG002
        return Situation({level: 2.0 + next(self.fixed)})

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact | Sample:  # noqa: ARG002
        if not self.sampled:
            return Exact({seen: Interval.of(next(self.measured))})

        def draw(stage: str, first: int, count: int) -> dict[Any, Any]:
            noise = np.random.default_rng([len(stage), first]).random(count)
            return {seen: noise / (1.0 + next(self.measured))}

        return Sample(draw, {seen: Interval.between(0.0, 1.0)})


def errors(experiment: Experiment) -> list[Row]:
    bench = Bench(Brief(), Docket((BOUND,), (experiment,)), experiment)
    bench.instances()
    rows = bench.finished()
    assert sum(row.judged and not row.version for row in rows) == 2, "both instances are judged all the same"
    return [row for row in rows if row.verdict is Verdict.ERROR]


still = itertools.repeat(0.5)


@pytest.mark.parametrize("sampled", [False, True])
def test_what_is_measured_again_must_be_the_same_to_the_last_bit(*, sampled: bool) -> None:
    assert not errors(Again(still, still, sampled=sampled))
    (error,) = errors(Again(still, itertools.count(0.0, 2.0**-50), sampled=sampled))
    assert error.reason.removeprefix(": ") == (
        "experiment again is not a function of its configuration: a side of again/bound differs when instance the "
        "first is measured again under the same terms"
    )
    assert error.configuration == {"seed": 3}


def test_what_a_configuration_fixes_must_be_the_same_too() -> None:
    (error,) = errors(Again(itertools.count(0.0, 2.0**-40), still))
    assert "parameter level differs when instance the first is measured again" in error.reason


def test_what_is_there_once_alone_differs() -> None:
    assert difference({"a": "1", "b": "2"}, {"a": "1", "b": "2"}) == ""
    assert difference({"a": "1"}, {"a": "1", "b": "2"}) == "b differs"


def test_what_raises_the_second_time_alone_says_so() -> None:
    def once() -> Iterator[float]:
        yield 0.5
        yield 0.5
        raise ArithmeticError("no more than twice")

    (error,) = errors(Again(still, once()))
    assert "configuration: it raises ArithmeticError: no more than twice when instance the first is" in error.reason


OWN = '''"""A bound on what is measured."""
from sympy import Le, Symbol
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Exact, Experiment, Situation
from elbound.properties.spaces import Count, Space
from elbound.theory.claim import Claim, Setting
level, seen = Symbol("level", real=True), Symbol("seen", real=True)
SETTING = Setting("own", "own", (level,), (seen,))
class Own(Experiment):
    key, title, setting, faults = "own/hashed", "a thing", SETTING, {}
    space, instances = Space((Count("seed", 0, 9),)), {"one": {"seed": 0}}
    def situation(self, c, context):
        return Situation({level: 1.0})
    def measure(self, c, context, fault=""):
        return Exact({seen: Interval.of(MEASURED)})
OWN = Own()
BOUND = Claim(SETTING, Le(seen, level))
'''


def test_what_another_interpreter_measures_otherwise_is_seen(tmp_path: Path) -> None:
    for name, measured, fine in (
        ("hashed", "hash('text') % 1000003 / 1000003", False),
        ("raising", "1 / ('PYTHONHASHSEED' not in __import__('os').environ) / 2", False),
        ("leaving", "0.5 if 'PYTHONHASHSEED' not in __import__('os').environ else __import__('sys').exit(0)", False),
        ("constant", "0.25", True),
    ):
        file = tmp_path / f"own_{name}.py"
        file.write_text(OWN.replace("MEASURED", measured), encoding="utf-8")
        brief = Brief("quick", (), Context(), str(file))
        bench = Bench(brief, docket := docket_of(brief), docket.experiments[-1])
        bench.instances()
        reasons = [row.reason for row in bench.finished() if row.verdict is Verdict.ERROR]
        assert (not reasons) == fine, reasons
        if not fine:
            assert "by another interpreter, whose hashes differ" in reasons[0]
            told = {
                "hashed": "a side of",
                "raising": "it raises ZeroDivisionError",
                "leaving": "it raises SystemExit: 0",
            }
            assert told[name] in reasons[0]
        if name == "hashed":
            seen_there = elsewhere(brief, docket.experiments[-1], {"seed": 0})
            assert seen_there is not None
            assert seen_there["parameter level"] == "1.0"
