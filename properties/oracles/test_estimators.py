"""Gradient estimators against automatic differentiation of what they differentiate, noise held fixed."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from elbound.impl.estimators import (
    Encoder,
    GaussianLikelihood,
    Gradient,
    doubly_reparameterised,
    importance_weighted,
    normalised_weights,
    path_slope,
    pathwise,
    score_function,
)

EPS = 2.0**-53
LATENT, DATA, REPLICATES = 2, 3, 5
BETA = 1.7


def problem(seed: int) -> tuple[Encoder, GaussianLikelihood]:
    draws = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draws, dtype=torch.float64)

    return Encoder(drawn(LATENT), drawn(LATENT) / 2), GaussianLikelihood(drawn(DATA), drawn(DATA, LATENT), 0.8)


def noises(samples: int, seed: int) -> Tensor:
    draws = torch.Generator().manual_seed(100 + seed)
    return torch.randn(samples, LATENT, REPLICATES, generator=draws, dtype=torch.float64)


def log_weight(likelihood: GaussianLikelihood, z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """log p(x|z) + log p(z) - log q(z) of z [K, k], from torch's own distributions."""
    fit = torch.distributions.Normal(z @ likelihood.decoder.T, likelihood.noise_variance**0.5).log_prob(
        likelihood.datum
    )
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(z)
    encoder = torch.distributions.Normal(mean, (log_variance / 2).exp()).log_prob(z)
    return torch.as_tensor(fit.sum(-1) + (prior - encoder).sum(-1))


def likelihood_of(likelihood: GaussianLikelihood, z: Tensor) -> Tensor:
    spread = likelihood.noise_variance**0.5
    fit = torch.distributions.Normal(z @ likelihood.decoder.T, spread).log_prob(likelihood.datum)
    return torch.as_tensor(fit.sum(-1))


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    q = torch.distributions.Normal(mean, (log_variance / 2).exp())
    return torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum()


def by_pathwise(likelihood: GaussianLikelihood, mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    z = mean + (log_variance / 2).exp() * noise
    return -likelihood_of(likelihood, z).mean() + BETA * divergence(mean, log_variance)


def by_score(likelihood: GaussianLikelihood, mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    z = (mean + (log_variance / 2).exp() * noise).detach()
    q = torch.distributions.Normal(mean, (log_variance / 2).exp()).log_prob(z).sum(-1)
    # The estimator leaves out the likelihood's constant: a baseline that moves the estimate, not its mean.
    constant = -DATA / 2 * torch.log(torch.tensor(2 * torch.pi * likelihood.noise_variance, dtype=torch.float64))
    loss = constant - likelihood_of(likelihood, z)
    return torch.as_tensor((loss * q).mean()) + BETA * divergence(mean, log_variance)


def by_importance(likelihood: GaussianLikelihood, mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    z = mean + (log_variance / 2).exp() * noise
    return -log_weight(likelihood, z, mean, log_variance).logsumexp(0)


def by_double(likelihood: GaussianLikelihood, mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    z = mean + (log_variance / 2).exp() * noise
    weights = log_weight(likelihood, z, mean.detach(), log_variance.detach())
    return -(weights.softmax(0).detach().square() * weights).sum()


PAIRS = [
    (lambda q, p, e: pathwise(q, p, e, BETA), by_pathwise),
    (lambda q, p, e: score_function(q, p, e, BETA), by_score),
    (importance_weighted, by_importance),
    (doubly_reparameterised, by_double),
]


@pytest.mark.parametrize(("estimator", "surrogate"), PAIRS, ids=["pathwise", "score", "importance", "double"])
@pytest.mark.parametrize("samples", [1, 2, 4])
def test_an_estimate_is_the_derivative_of_its_surrogate_at_the_same_noise(
    estimator: Callable[..., Gradient], surrogate: Callable[..., Tensor], samples: int
) -> None:
    for seed in range(3):
        encoder, likelihood = problem(seed)
        noise = noises(samples, seed)
        found = estimator(encoder, likelihood, noise)
        for r in range(REPLICATES):
            mean, log_variance = (x.clone().requires_grad_() for x in (encoder.mean, encoder.log_variance))
            surrogate(likelihood, mean, log_variance, noise[..., r]).backward()
            for ours, theirs in ((found.mean, mean.grad), (found.log_variance, log_variance.grad)):
                assert theirs is not None
                # A few hundred operations on terms up to the loss itself, some tens, times noises up to four.
                scale = 1 + float(likelihood.value(encoder.sample(noise)).abs().max()) * 16
                assert float((ours[:, r] - theirs).abs().max()) <= 512 * EPS * scale


def test_with_one_sample_the_importance_weighted_gradient_is_the_pathwise_one_with_a_sampled_kl() -> None:
    encoder, likelihood = problem(7)
    noise = noises(1, 7)
    z = encoder.sample(noise)
    sampled = encoder.chain(z, noise)
    analytic, found = pathwise(encoder, likelihood, noise, 0.0), importance_weighted(encoder, likelihood, noise)
    scale = 1 + float(z.abs().max()) * 16
    assert float((found.mean - analytic.mean - sampled.mean).abs().max()) <= 64 * EPS * scale
    entropy = found.log_variance - analytic.log_variance - sampled.log_variance
    assert float((entropy + 0.5).abs().max()) <= 64 * EPS * scale


def test_at_the_exact_posterior_the_path_derivative_vanishes_and_weights_are_equal() -> None:
    draws = torch.Generator().manual_seed(3)
    # Orthogonal columns make the posterior's precision diagonal: 1 + |v_j|^2 / sigma_x2.
    decoder = torch.linalg.qr(torch.randn(DATA, LATENT, generator=draws, dtype=torch.float64))[0] * 1.5
    likelihood = GaussianLikelihood(torch.randn(DATA, generator=draws, dtype=torch.float64), decoder, 0.6)
    precision = 1 + decoder.square().sum(0) / 0.6
    encoder = Encoder(decoder.T @ likelihood.datum / 0.6 / precision, -precision.log())
    noise = noises(3, 3)
    assert float(path_slope(encoder, likelihood, noise).abs().max()) <= 512 * EPS * float(noise.abs().max()) * 8
    shares = normalised_weights(encoder, likelihood, noise)
    assert float((shares - 1 / 3).abs().max()) <= 512 * EPS * float(noise.square().max()) * 8
    for part in doubly_reparameterised(encoder, likelihood, noise):
        assert float(part.abs().max()) <= 4096 * EPS * float(noise.square().max()) * 8


def test_bad_input_is_named() -> None:
    vector, matrix = torch.zeros(3, dtype=torch.float64), torch.zeros(3, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match="noise_variance is 0"):
        GaussianLikelihood(vector, matrix, 0.0)
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="log_variance is"):
            Encoder(vector, torch.full((3,), wrong, dtype=torch.float64))
