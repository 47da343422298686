"""What the estimator and inference experiments take as truth, against third computations."""

import math

import pytest

from elbound.impl.importance import PosteriorPair
from elbound.properties.experiment import Context
from elbound.properties.experiments.encoder_gradient import ESTIMATOR_MEANS, Datum
from elbound.properties.experiments.score_and_pathwise import OSCILLATIONS
from elbound.properties.experiments.variational_inference import INFERENCE_RUNS, InferenceProblem
from elbound.theory.descent.bbvi import GAP
from elbound.theory.evaluate import evaluate
from elbound.theory.symbols import L, v_path, v_score

EPS = 2.0**-53
CONTEXT = Context()
WEIGHTED = [name for name in ESTIMATOR_MEANS.instances if not name.startswith(("pathwise", "score"))]


@pytest.mark.parametrize("name", WEIGHTED)
def test_with_one_sample_the_gradient_of_the_bound_is_the_elbos_in_closed_form(name: str) -> None:
    datum = Datum.of(ESTIMATOR_MEANS.instances[name], CONTEXT)
    for found, known in zip(datum.bound_gradient(1), datum.elbo_gradient(), strict=True):
        assert max(float(found.low), float(known.low)) <= min(float(found.high), float(known.high))
        assert float(found.width) <= 1e-9


@pytest.mark.parametrize("samples", [2, 3])
@pytest.mark.parametrize("name", WEIGHTED)
def test_the_gradient_of_the_bound_is_the_slope_of_the_exact_gap(name: str, samples: int) -> None:
    datum = Datum.of(ESTIMATOR_MEANS.instances[name], CONTEXT)
    mean, log_variance = float(datum.encoder.mean), float(datum.encoder.log_variance)
    step = 1e-3

    def gap(shift: float, stretch: float) -> float:
        pair = PosteriorPair(datum.precision, math.exp(-log_variance - stretch), datum.centre - mean - shift)
        return pair.gap(samples).value

    in_mean = (8 * (gap(step, 0) - gap(-step, 0)) - gap(2 * step, 0) + gap(-2 * step, 0)) / (12 * step)
    in_log = (8 * (gap(0, step) - gap(0, -step)) - gap(0, 2 * step) + gap(0, -2 * step)) / (12 * step)
    for found, slope in zip(datum.bound_gradient(samples), (in_mean, in_log), strict=True):
        # Four-point rule: step^4 / 30 times a fifth derivative, which stays below 100 here, and 1e-14 / step.
        assert float(found.middle) == pytest.approx(slope, abs=1e-12 * 100 / 30 + 1e-14 / step)


@pytest.mark.parametrize("omega", [0.3, 0.8, 1.2, 2.5])
def test_variances_of_oscillating_integrands_have_their_closed_forms(omega: float) -> None:
    decay = math.exp(-2 * omega**2)
    for phase, sign in ((0.0, 1.0), (-math.pi / 2, -1.0)):
        found = OSCILLATIONS.measure({"omega": omega, "phase": phase}, CONTEXT)
        # The sine's mean derivative is omega e^(-omega^2 / 2), the cosine's is zero.
        square = 0.0 if sign > 0 else omega**2 * math.exp(-(omega**2))
        score = (1 + sign * (1 - 4 * omega**2) * decay) / 2 - square
        path = omega**2 * (1 - sign * decay) / 2 - square
        for letter, value in ((v_score, score), (v_path, path)):
            interval = found.values[letter]
            assert float(interval.low) - 64 * EPS <= value <= float(interval.high) + 64 * EPS


def test_the_cosines_variances_cross_where_the_finding_says() -> None:
    def excess(omega: float) -> float:
        found = OSCILLATIONS.measure({"omega": omega, "phase": 0.0}, CONTEXT).values
        return float(found[v_score].middle - found[v_path].middle)

    assert excess(0.85115) > 0 > excess(0.85125)


@pytest.mark.parametrize("name", INFERENCE_RUNS.instances)
def test_the_claims_smoothness_constant_is_the_models(name: str) -> None:
    configuration = INFERENCE_RUNS.instances[name]
    values = INFERENCE_RUNS.situation(configuration, CONTEXT).values
    problem = InferenceProblem.of(configuration, CONTEXT).problem
    # A few dozen operations on each side.
    assert evaluate(GAP.where[L], values) == pytest.approx(problem.smoothness(), rel=64 * EPS)
