"""Claims keep their truth in other units: the powers that settings declare are those that the models show."""

from typing import Any

import numpy as np
import pytest
from sympy import Eq, Ge, Le, sqrt

from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Spectrum, Steps, experiments
from elbound.properties.symbolic import symbolic_checks
from elbound.theory.catalogue import Listed, catalogue
from elbound.theory.claim import Claim
from elbound.theory.settings import LINEAR_VAE_BALL, OBJECTIVE, SGD_RUN, SOFT_CLIP, total
from elbound.theory.symbols import (
    C,
    D_max,
    Delta,
    F,
    L,
    T,
    a,
    beta,
    hessian,
    lam,
    n,
    r,
    s,
    sigma2,
    sigma_x2,
    slope_sup,
    t,
)
from elbound.theory.units import MIXED, changes, power_of, units_of

IN_UNITS = [x for x in catalogue() if units_of(x.claim.setting) and not x.claim.is_rate]
# A likelihood of another noise, and another weight of the KL term: the objective in another unit, up to a constant. The
# importance-weighted objective is none of it: its mean stands inside the logarithm.
SCALED = [
    experiment
    for experiment in experiments()
    if OBJECTIVE in units_of(experiment.setting)
    and any(axis.name == "sigma_x2" for axis in experiment.space.axes)
    and experiment.key != "importance/clipped-run"
]
UNIT = 4.0


@pytest.mark.parametrize("listed", IN_UNITS, ids=lambda listed: listed.name)
def test_no_claim_of_the_catalogue_is_false_in_another_unit(listed: Listed) -> None:
    found = changes(listed.claim)
    assert not [str(change) for change in found if change.homogeneous is False]
    # Where nothing is known of a unit, the letter that stands in the way is named.
    assert all(change.homogeneous or change.unknown for change in found)


@pytest.mark.parametrize("experiment", SCALED, ids=lambda experiment: experiment.key)
def test_what_is_measured_changes_by_the_declared_powers(experiment: Experiment) -> None:
    configuration = next(iter(experiment.instances.values()))
    other = {**configuration, "sigma_x2": float(configuration["sigma_x2"]) / UNIT}
    if "beta" in configuration:
        other["beta"] = float(configuration["beta"]) * UNIT
    powers = units_of(experiment.setting)[OBJECTIVE]
    here, there = (measured(experiment, x) for x in (configuration, other))
    assert here.keys() == there.keys()
    # An objective has an arbitrary constant, and claims ask for differences alone.
    known = [letter for letter in here if letter in powers and letter != F]
    assert known
    for letter in known:
        assert there[letter] == pytest.approx(here[letter] * UNIT ** powers[letter], rel=1e-6, abs=1e-12), letter


def measured(experiment: Experiment, configuration: Any) -> dict[Any, Any]:
    """Parameters and exact observables, curves by their rows."""
    situation = experiment.situation(configuration, Context())
    found = {letter: value for letter, value in situation.values.items() if not isinstance(value, Spectrum)}
    measurement = experiment.measure(configuration, Context())
    for letter, value in measurement.values.items() if isinstance(measurement, Exact) else ():
        rows = value.rows if isinstance(value, Steps) else value
        if isinstance(rows, Interval):
            found[letter] = np.asarray(rows.middle).ravel()
    return found


@pytest.mark.parametrize(
    ("claim", "unit", "said"),
    [
        (Claim(LINEAR_VAE_BALL, Le(hessian, lam + beta * lam + r**2)), "objective", "terms of different powers"),
        (Claim(LINEAR_VAE_BALL, Le(hessian, lam * r**2 / sigma_x2)), "data", ""),
        (
            Claim(LINEAR_VAE_BALL, Le(hessian, lam * D_max * r**2 / sigma_x2)),
            "data",
            "right by the unit to the power 2",
        ),
        (Claim(SGD_RUN, Le(a[n], Delta / C)), "objective", ""),
        (Claim(SGD_RUN, Le(a[n], Delta)), "parameters", "left changes by the unit to the power -2"),
        (
            Claim(SGD_RUN, Le(total(C / sqrt(t) * a[t]), Delta + L * total(C * sigma2[t]))),
            "objective",
            "different powers",
        ),
        (Claim(SOFT_CLIP, Eq(slope_sup, s)), "data", "right by the unit to the power -1"),
        (Claim(SOFT_CLIP, Ge(slope_sup, 1 / (s * T))), "data", ""),
    ],
    ids=str,
)
def test_a_claim_is_told_what_another_unit_does_to_it(claim: Claim, unit: str, said: str) -> None:
    change = next(change for change in changes(claim) if change.unit == unit)
    assert change.homogeneous is (not said)
    assert said in str(change)
    told = {answer["question"]: answer["answer"] for answer in symbolic_checks(claim, [])}
    assert told[f"in another unit of the {unit}"] == str(change)


def test_powers_are_read_off_numbers() -> None:
    powers = {L: 1.0, Delta: 1.0, C: -1.0}
    assert power_of(sqrt(L * Delta), powers) == 1
    assert power_of(1 / (L * C), powers) == 0
    assert power_of(L - Delta, powers) == 1
    assert power_of(L + C, powers) is MIXED
    assert power_of(L - L, powers) is None
