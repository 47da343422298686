"""Training loops against one replicate at a time: automatic differentiation and torch's optimisers, same draws."""

import math

import pytest
import torch
from torch import Tensor

from elbound.impl.linear_vae import LinearVAE, Weights
from elbound.impl.noise import GAUSSIAN, Stream
from elbound.impl.optimisers import Adam, Correction, Place
from elbound.impl.training import Descent, Plan, Trace, logged_square, train
from elbound.impl.trajectories import Draw, draw

EPS = 2.0**-53
COUNT, DATA, LATENT, STEPS, REPLICATES = 6, 3, 2, 4, 3
STREAM = Stream.named("training")
ADAM = Adam(step_size=0.05, beta_1=0.9, beta_2=0.99, regulariser=1e-3, place=Place.OUTSIDE, correction=Correction.BOTH)


def setting() -> tuple[LinearVAE, LinearVAE, Weights]:
    draws = torch.Generator().manual_seed(4)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draws, dtype=torch.float64)

    variance = torch.tensor([0.5, 0.8], dtype=torch.float64)
    problem, held_out = (LinearVAE(drawn(COUNT, DATA), 0.7, 1.3, variance) for _ in range(2))
    return problem, held_out, Weights(drawn(LATENT, DATA, 1) / 2, drawn(DATA, LATENT, 1) / 2)


def plan_with(optimiser: Descent | Adam, every: int = 2) -> Plan:
    return Plan(optimiser=optimiser, steps=STEPS, batch_size=2, importance_samples=2, every=every)


def trained(optimiser: Descent | Adam) -> Trace:
    problem, held_out, start = setting()
    return train(problem, held_out, start, plan_with(optimiser), STREAM, (5, REPLICATES))


def negative_elbo(problem: LinearVAE, encoder: Tensor, decoder: Tensor, x: Tensor, noise: Tensor) -> Tensor:
    """One datum, one noise, without the constants."""
    mean = encoder @ x
    z = mean + problem.posterior_variance.sqrt() * noise
    fit = (x - decoder @ z).square().sum() / (2 * problem.noise_variance)
    return fit + problem.beta * mean.square().sum() / 2


@pytest.mark.parametrize("name", ["descent", "adam"])
def test_a_replicate_takes_the_steps_of_torch_on_the_same_draws(name: str) -> None:
    problem, held_out, start = setting()
    found = trained(Descent(0.1) if name == "descent" else ADAM)
    shape = Draw(GAUSSIAN, 2, 2, LATENT, None, torch.float64)
    for r in range(REPLICATES):
        encoder, decoder = (part[..., 0].clone().requires_grad_() for part in start)
        rate = ADAM.step_size if name == "adam" else 0.1
        torch_adam = torch.optim.Adam([encoder, decoder], lr=rate, betas=(0.9, 0.99), eps=1e-3)
        torch_sgd = torch.optim.SGD([encoder, decoder], lr=rate)
        optimiser = torch_adam if name == "adam" else torch_sgd
        logged, squares = [], []
        for t in range(1, STEPS + 1):
            for group in optimiser.param_groups:
                group["lr"] = rate / math.sqrt(t)
            labels, noise = draw(shape, STREAM.schedule(), torch.tensor([5 + r]), torch.tensor(t), torch.tensor(COUNT))
            optimiser.zero_grad()
            losses = [
                negative_elbo(problem, encoder, decoder, problem.data[labels[b, 0]], noise[b, j, :, 0])
                for b in range(2)
                for j in range(2)
            ]
            torch.stack(losses).mean().backward()
            assert encoder.grad is not None
            assert decoder.grad is not None
            square = float(encoder.grad.square().sum() + decoder.grad.square().sum())
            logged.append(square * 2 / (2 * DATA * LATENT))
            exact = problem.gradient(Weights(encoder.detach()[..., None], decoder.detach()[..., None]))
            squares.append(float(exact.encoder.square().sum() + exact.decoder.square().sum()))
            optimiser.step()
        weights = Weights(encoder.detach()[..., None], decoder.detach()[..., None])
        # Four steps of a few hundred operations; Adam's division magnifies by at most 1 / its regulariser, 1e3.
        slack = 4 * 512 * EPS * (1e3 if name == "adam" else 1)
        assert float(found.test_loss[-1, r]) == pytest.approx(float(held_out.objective(weights)[0]), rel=slack)
        for place in range(2):
            part = slice(2 * place, 2 * place + 2)
            assert float(found.logged[place, r]) == pytest.approx(sum(logged[part]) / 2, rel=16 * slack)
            assert float(found.squared_gradient[place, r]) == pytest.approx(sum(squares[part]) / 2, rel=16 * slack)


def test_what_is_logged_over_an_epoch_is_the_published_sum_over_data_and_parameters() -> None:
    """(1 / (N P)) sum over the N / B batches of |B g_B|^2."""
    draws = torch.Generator().manual_seed(1)
    gradients = torch.randn(3, 7, 2, generator=draws, dtype=torch.float64)  # three batches of four
    published = (4 * gradients).square().sum((0, 1)) / (12 * 7)
    ours = torch.stack([logged_square(g, 4) for g in gradients]).mean(0)
    assert float((ours - published).abs().max()) <= 64 * EPS * float(published.max())


def test_at_the_minimiser_the_true_gradient_vanishes_and_the_logged_one_does_not() -> None:
    problem, held_out, _ = setting()
    plan = Plan(optimiser=Descent(1e-12), steps=1, batch_size=2, importance_samples=1, every=1)
    trace = train(problem, held_out, problem.minimiser(), plan, STREAM, (0, 50))
    assert float(trace.squared_gradient.max()) <= 1e-20
    assert float(trace.logged.mean()) >= 1e-3


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="step_size is 0"):
        Descent(0.0)
    with pytest.raises(ValueError, match="every is 3"):
        plan_with(Descent(0.1), 3)
    with pytest.raises(ValueError, match="batch_size is 0"):
        Plan(optimiser=Descent(0.1), steps=1, batch_size=0, importance_samples=1, every=1)
    with pytest.raises(ValueError, match="importance_samples is 0; allowed: at least 1"):
        Plan(optimiser=Descent(0.1), steps=1, batch_size=1, importance_samples=0, every=1)
