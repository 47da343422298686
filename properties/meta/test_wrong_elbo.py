"""A wrong ELBO in impl, with its own gradient, is exposed by at least three claims; the right one by none."""

from collections.abc import Callable
from typing import Any

import pytest

from elbound.impl.linear_vae import LinearVAE, Weights, diagonal_sum
from elbound.properties.docket import Brief, docket_of
from elbound.properties.evidence.budget import Budget
from elbound.properties.experiment import Context, experiments
from elbound.properties.trial import Trial
from elbound.reports.row import Verdict

EXPOSING = ("landscape/linear-vae", "estimators/beta-sweep", "descent/edge-of-ball")
OBJECTIVE, GRADIENT = LinearVAE.objective, LinearVAE.gradient
Patches = dict[str, Callable[..., Any]]


def weighted_code(extra: Callable[[LinearVAE], float]) -> Patches:
    """The ELBO with extra(problem) / 2 times the mean squared code on top."""

    def objective(problem: LinearVAE, weights: Weights) -> Any:
        return OBJECTIVE(problem, weights) + extra(problem) / 2 * diagonal_sum(problem.moments(weights).code)

    def gradient(problem: LinearVAE, weights: Weights) -> Weights:
        found = GRADIENT(problem, weights)
        return Weights(found.encoder + extra(problem) * problem.moments(weights).encoded, found.decoder)

    return {"objective": objective, "gradient": gradient}


def log_variance_of_the_wrong_sign(problem: LinearVAE) -> float:
    variance = problem.posterior_variance
    return problem.beta / 2 * float((variance - 1 + variance.log()).sum())


def without_spread(problem: LinearVAE, weights: Weights) -> Any:
    """The reconstruction at the mean code: tr(V D V^T) / (2 sigma_x2) is forgotten."""
    spread = diagonal_sum(problem.moments(weights).gram, problem.posterior_variance)
    return OBJECTIVE(problem, weights) - spread / (2 * problem.noise_variance)


def gradient_without_spread(problem: LinearVAE, weights: Weights) -> Weights:
    found, precision = GRADIENT(problem, weights), problem.posterior_variance[:, None] / problem.noise_variance
    return Weights(found.encoder, found.decoder - weights.decoder * precision)


def doubled_fit(problem: LinearVAE, weights: Weights) -> Any:
    code = problem.beta / 2 * diagonal_sum(problem.moments(weights).code)
    rest = problem.likelihood_offset() + problem.divergence_offset() + code
    return 2 * (OBJECTIVE(problem, weights) - rest) + rest


def gradient_of_doubled_fit(problem: LinearVAE, weights: Weights) -> Weights:
    found, code = GRADIENT(problem, weights), problem.beta * problem.moments(weights).encoded
    return Weights(2 * found.encoder - code, 2 * found.decoder)


WRONG: dict[str, Patches] = {
    "the half of the divergence dropped": weighted_code(lambda problem: problem.beta),
    "beta ignored": weighted_code(lambda problem: 1 - problem.beta),
    "log-variance of the wrong sign": {"divergence_offset": log_variance_of_the_wrong_sign},
    "the code's spread forgotten": {"objective": without_spread, "gradient": gradient_without_spread},
    "the half of the reconstruction dropped": {"objective": doubled_fit, "gradient": gradient_of_doubled_fit},
}


def exposing() -> set[str]:
    """The claims, findings aside, that some named instance refutes."""
    docket, context, found = docket_of(Brief("quick")), Context(), set()
    for experiment in (x for x in experiments() if x.key in EXPOSING):
        for configuration in experiment.instances.values():
            try:
                measurement = experiment.measure(configuration, context)
            except ValueError:
                # A measurement that a wrong ELBO breaks exposes it too, but by no claim.
                continue
            trial = Trial(experiment.situation(configuration, context), measurement, Budget())
            claims = (x for x in docket.trying(experiment) if not x.claim.is_finding)
            found |= {x.name for x in claims if trial.judge(x.claim).verdict is Verdict.REFUTED}
    return found


def test_the_right_elbo_is_exposed_by_no_claim() -> None:
    assert exposing() == set()


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_elbo_is_exposed_by_at_least_three_claims(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for attribute, wrong in WRONG[name].items():
        monkeypatch.setattr(LinearVAE, attribute, wrong)
    assert len(exposing()) >= 3
