"""The importance-weighted bound of the deep VAE against enumeration, autograd and the linear model's exact gap."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from elbound.impl.deep_importance import Exact, Mixture, log_weights, sampled_gradient
from elbound.impl.deep_vae import Architecture, Batch, DeepVAE, Identity, Logistic, trapezoid_rule
from elbound.impl.importance_gradients import ScalarVAE, iwae_bound, iwae_surrogate
from elbound.impl.soft_clipping import SoftClip

HIDDEN = SoftClip(0.0, 50.0, 1.0)
DEEP = Architecture(3, 1, (4,), HIDDEN, SoftClip(-50.0, 50.0, 1.0), SoftClip(-20.0, 20.0, 1.0), Logistic())
LINEAR = Architecture(1, 1, (1,), Identity(), Identity(), Identity(), Identity())
# The trapezoid rule over v = log s errs by e^(-2 pi^2) = 3e-9 of its integrand's size on a strip, which is O(1) here.
RULE_IN_V = 1e-7


def problem_of(shape: Architecture, count: int = 3, noise_variance: float = 0.3) -> DeepVAE:
    data = torch.rand(count, shape.data_dim, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return DeepVAE(data, noise_variance, 1.0, shape)


def parameters(shape: Architecture, replicates: int = 2) -> Tensor:
    random = torch.Generator().manual_seed(2)
    return torch.randn(shape.parameter_count, replicates, generator=random, dtype=torch.float64) * 0.6


def drawn(problem: DeepVAE, noises: int, replicates: int = 2) -> Batch:
    noise = torch.randn(3, noises, 1, replicates, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return problem.minibatch(problem.data.T[..., None].expand(-1, -1, replicates), noise)


def written_out(problem: DeepVAE, theta: Tensor, batch: Batch) -> Tensor:
    """log p(x, z) - log q(z | x) from library densities: [B, Q, R]."""
    found = problem.run_through(theta, batch)
    mean, deviation = found.mean[:, 0, :, None], torch.exp(found.spread[:, 0, :, None] / 2)
    x, z = batch.x.permute(2, 0, 1)[..., None], mean + deviation * batch.noise[0].permute(2, 0, 1)
    scale = torch.tensor(math.sqrt(problem.noise_variance), dtype=torch.float64)
    likelihood = torch.distributions.Normal(found.residual + x, scale).log_prob(x).sum(1)
    prior = torch.distributions.Normal(torch.zeros_like(z), torch.ones_like(z)).log_prob(z)
    found_weights: Tensor = likelihood + prior - torch.distributions.Normal(mean, deviation).log_prob(z)
    return found_weights.permute(1, 2, 0)


def test_log_weights_are_those_of_the_densities() -> None:
    problem, theta = problem_of(DEEP), parameters(DEEP)
    batch = drawn(problem, 5)
    found = log_weights(problem, problem.run_through(theta, batch))
    torch.testing.assert_close(found, written_out(problem, theta, batch), rtol=2.0**-40, atol=2.0**-40)


@pytest.mark.parametrize("samples", [1, 2, 6])
def test_the_sampled_gradient_is_that_of_the_mean_of_log_mean_weights(samples: int) -> None:
    """Of the bound's estimate and not of the surrogate's value; six noises make 6 / K estimates for each datum."""
    problem, theta = problem_of(DEEP), parameters(DEEP).requires_grad_()
    batch = drawn(problem, 6)
    groups = written_out(problem, theta, batch).unflatten(1, (-1, samples)).movedim(2, 0)
    (wanted,) = torch.autograd.grad(-iwae_bound(groups).mean((0, 1)).sum(), theta)
    found = sampled_gradient(problem, theta.detach(), batch, samples)
    torch.testing.assert_close(found, wanted, rtol=2.0**-36, atol=2.0**-36)


@pytest.mark.parametrize("samples", [1, 2, 3, 5])
def test_bound_and_shares_are_those_of_all_outcomes_of_a_finite_law(samples: int) -> None:
    chances = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    logarithms = torch.tensor([[-1.0, 0.5, 2.0], [300.0, 299.0, 304.0]], dtype=torch.float64)[..., None]
    found = Mixture.of(logarithms, chances, samples)
    for n in range(2):
        bound, logged, shares = 0.0, 0.0, torch.zeros(3, dtype=torch.float64)
        for outcome in itertools.product(range(3), repeat=samples):
            chance = math.prod(float(chances[j]) for j in outcome)
            weights = logarithms[n, list(outcome), 0]
            bound += chance * float(iwae_bound(weights))
            logged += chance * float(iwae_surrogate(weights))
            for share, j in zip(torch.softmax(weights, 0), outcome, strict=True):
                shares[j] += chance * share
        assert float(found.bound[n, 0]) == pytest.approx(bound, abs=RULE_IN_V)
        mine = found.shares[n, :, 0] * chances
        assert float((mine - shares).abs().max()) <= RULE_IN_V
        assert float((mine * logarithms[n, :, 0]).sum()) == pytest.approx(logged, abs=RULE_IN_V * 304)


def test_in_the_linear_model_bound_and_logged_loss_are_the_exact_ones() -> None:
    """Log evidence less the gap, and with the surrogate's mean added, both by another integral."""
    problem = problem_of(LINEAR)
    # Encoder mean 0.6 x + 0.1, log-variance -0.9 x - 0.2, decoder 0.8 z: hidden layers pass their input on.
    theta = torch.tensor([1.0, 0, 0.6, 0.1, -0.9, -0.2, 1.0, 0, 0.8, 0], dtype=torch.float64)[:, None]
    for samples in (1, 4, 64):
        found = Exact(problem, theta, trapezoid_rule(200), samples)
        value, logged = 0.0, 0.0
        for x in problem.data[:, 0].tolist():
            vae = ScalarVAE(x, 0.8, problem.noise_variance, 0.6 * x + 0.1, math.exp(-0.9 * x - 0.2))
            value += (vae.pair.gap(samples).value - vae.log_evidence) / 3
            logged -= (vae.pair.surrogate_curve()(samples).mean + vae.log_evidence) / 3
        assert float(found.value()[0]) == pytest.approx(value, abs=RULE_IN_V)
        assert float(found.logged()[0]) == pytest.approx(logged, abs=10 * RULE_IN_V)
        assert samples == 1 or found.logged()[0] < found.value()[0] - 0.01


@pytest.mark.parametrize("samples", [1, 3, 16])
def test_the_exact_gradient_is_autograd_through_the_exact_value(samples: int) -> None:
    problem, theta = problem_of(DEEP), parameters(DEEP).requires_grad_()
    rule = trapezoid_rule(60, 6.0)
    (wanted,) = torch.autograd.grad(Exact(problem, theta, rule, samples).value().sum(), theta)
    found = Exact(problem, theta.detach(), rule, samples).gradient()
    torch.testing.assert_close(found, wanted, rtol=RULE_IN_V, atol=RULE_IN_V)


def test_one_importance_sample_gives_the_negative_elbo_and_its_gradient() -> None:
    """The sampled log-ratio and the analytic divergence agree in expectation, on nodes that integrate eps^2 to 1."""
    problem, theta, rule = problem_of(DEEP), parameters(DEEP), trapezoid_rule(200)
    found, batch = Exact(problem, theta, rule, 1), problem.whole(rule)
    torch.testing.assert_close(found.value(), problem.objective(theta, batch), rtol=RULE_IN_V, atol=RULE_IN_V)
    torch.testing.assert_close(found.negative_elbo(), found.value(), rtol=RULE_IN_V, atol=RULE_IN_V)
    torch.testing.assert_close(found.logged(), found.value(), rtol=RULE_IN_V, atol=RULE_IN_V)
    torch.testing.assert_close(found.gradient(), problem.gradient(theta, batch), rtol=RULE_IN_V, atol=RULE_IN_V)


def test_bad_input_is_named() -> None:
    problem, theta = problem_of(DEEP), parameters(DEEP)
    with pytest.raises(ValueError, match="samples is 4; allowed: a divisor of the 6 noises"):
        sampled_gradient(problem, theta, drawn(problem, 6), 4)
    with pytest.raises(ValueError, match="samples is 0; allowed: at least 1"):
        Exact(problem, theta, trapezoid_rule(8), 0).value()
    uneven = torch.tensor([[0.0, -800.0]], dtype=torch.float64)[..., None]
    with pytest.raises(ArithmeticError, match="less uneven"):
        Mixture.of(uneven, torch.tensor([0.5, 0.5], dtype=torch.float64), 1)
