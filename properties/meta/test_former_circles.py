"""The standing test notices circles: with claims measured as they once were, breaks no longer fell them.

Each circle puts one former measurement back: an error that is the discrepancy itself, the claim's own right side, the
mean of the outcomes that are judged, the recursion that the theorem states. Under the same break today's measurement
fells the claim, which `falls.json` demands; the former one does not, so the standing test would have failed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from elbound.impl.deep_descent import Objective
from elbound.properties.evidence.budget import Budget
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Situation, Steps
from elbound.properties.judgement import middle
from elbound.properties.meta.test_broken_models import BY_KEY, FALLEN, FALLS, breaks, forget, measured
from elbound.properties.trial import Trial
from elbound.theory.catalogue import catalogue
from elbound.theory.claim import Claim
from elbound.theory.symbols import (
    C,
    Delta,
    F,
    H_f,
    H_u,
    H_z,
    J_u,
    J_z,
    L,
    a,
    elbo_pulled,
    n,
    pulled,
    sigma_pulled,
    sigma_sup2,
    work,
)

CLAIMS = {listed.name: listed.claim for listed in catalogue()}
Former = Callable[[Exact, Situation, Claim], Mapping[Any, Any]]


def off_by_what_it_is(letter: Any) -> Former:
    """The error of a letter is so large that the sides of its claim agree."""

    def formerly(now: Exact, situation: Situation, claim: Claim) -> Mapping[Any, Any]:
        whole = middle(now.values[letter])
        left, right = Trial(situation, now, Budget()).sides(claim)
        # The claims are equations of one side with a multiple of the letter.
        return {letter: Interval.around(whole, abs(whole) * abs(left / right - 1))}

    return formerly


def the_claimed_bound(letter: Any) -> Former:
    """A letter is what its claim says it is at most."""

    def formerly(now: Exact, situation: Situation, claim: Claim) -> Mapping[Any, Any]:
        return {letter: Interval.of(Trial(situation, now, Budget()).sides(claim)[1])}

    return formerly


def the_recursion(_: Exact, situation: Situation, __: Claim) -> Mapping[Any, Any]:
    """Squared gradients and objectives by the descent lemma with equality, from the theorem's own parameters."""
    curvature, size, noise = (float(situation.values[letter]) for letter in (L, C, sigma_sup2))
    squares = [2 * curvature * float(situation.values[Delta])]
    for t in range(1, int(situation.values[n]) + 1):
        gamma = curvature * size / t**0.5
        squares.append((1 - gamma) ** 2 * squares[-1] + gamma**2 * noise)
    enclosed = Interval.around(np.array(squares), 1e-12 * np.array(squares))
    return {a: Steps(enclosed[:-1, None]), F: Steps(enclosed / (2 * curvature))}


def mean_of_the_outcomes(self: Objective, theta: Tensor) -> Tensor:
    """The gradient, defined as the mean of the sample gradients that are held against it."""
    found: Tensor = (self.outcomes(theta) * self.rule.weights.to(theta)[:, None]).sum(2).mean(1)
    return found


@dataclass(frozen=True)
class Circle:
    """A claim of an experiment, and how it was measured before: from what is measured now, or with another model."""

    claim: str
    experiment: str
    formerly: Former = lambda *_: {}
    patches: Mapping[str, Any] = field(default_factory=dict)


DEEP, RIDGE, SHARP = "smoothness/deep-layerwise", "tangent/wide-ridge", "descent/sgd-sharp/telescoped"
MEAN = {"elbound.impl.deep_descent.Objective.automatic_gradient": mean_of_the_outcomes}
CIRCLES = (
    Circle("tangent/krr/ridge-of-kl", "tangent/gaussian-weights", off_by_what_it_is(elbo_pulled)),
    Circle("tangent/ridge-dual", RIDGE, off_by_what_it_is(pulled)),
    Circle("tangent/ridge-dual/direction", RIDGE, off_by_what_it_is(work)),
    Circle("tangent/trained-variances/dual", "tangent/trained-variances", off_by_what_it_is(sigma_pulled)),
    Circle(f"{DEEP}/latent-slope", "smoothness/deep-latent", the_claimed_bound(J_z)),
    Circle(f"{DEEP}/latent-curvature", "smoothness/deep-latent", the_claimed_bound(H_z)),
    Circle(f"{DEEP}/slope", "smoothness/deep-layer", the_claimed_bound(J_u)),
    Circle(f"{DEEP}/curvature", "smoothness/deep-layer", the_claimed_bound(H_u)),
    Circle(f"{DEEP}/activation", "smoothness/deep-layer", the_claimed_bound(H_f)),
    Circle("descent/sgd-deep-gaussian-vae/martingale", "descent/deep-tree", patches=MEAN),
    Circle("descent/sgd-deep-gaussian-vae/standardised", "descent/deep-tree", patches=MEAN),
    Circle(SHARP, "descent/decoder-offset", the_recursion),
    Circle(SHARP, "descent/offset-paths", the_recursion),
)
PLACES = [
    (circle, broken, instance)
    for circle in CIRCLES
    for broken in breaks()
    if broken.experiment == circle.experiment
    for instance, claims in FALLS[broken.experiment][broken.mistake].items()
    if circle.claim in claims
]


@pytest.fixture(autouse=True)
def _caches_of_one_model() -> Any:
    yield
    forget()


@pytest.mark.parametrize(
    ("circle", "broken", "instance"), PLACES, ids=[f"{c.claim} with {x.mistake} at {at}" for c, x, at in PLACES]
)
def test_a_break_that_fells_a_claim_would_not_have_felled_it(circle: Circle, broken: Any, instance: str) -> None:
    experiment, claim = BY_KEY[circle.experiment], CLAIMS[circle.claim]
    situation = experiment.situation(experiment.instances[instance], Context())
    assert Trial(situation, measured(experiment, instance, broken.patches), Budget()).judge(claim).verdict in FALLEN
    now = measured(experiment, instance, {**broken.patches, **circle.patches})
    assert isinstance(now, Exact)
    former = replace(now, values={**now.values, **circle.formerly(now, situation, claim)})
    assert Trial(situation, former, Budget()).judge(claim).verdict not in FALLEN


def test_each_circle_is_broken() -> None:
    assert [circle for circle in CIRCLES if not any(circle is one for one, _, _ in PLACES)] == []
