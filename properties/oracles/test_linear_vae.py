"""Closed forms of the linear VAE and of its soft-clip against enumeration, autograd and search."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elbound.impl import clipping
from elbound.impl.linear_vae import LinearVAE, Weights, inner, product, tree_sum
from elbound.impl.noise import RADEMACHER, THREE_POINT, UNIFORM, Law, Stream, words

EXAMPLES = settings(deadline=None, derandomize=True, database=None, max_examples=25)
EPS = 2.0**-52


@dataclass(frozen=True, eq=False)
class Case:
    """A problem with a few points in weight space, all from keyed noise."""

    problem: LinearVAE
    weights: Weights

    def one(self) -> Weights:
        return Weights(self.weights.encoder[..., :1], self.weights.decoder[..., :1])


def draws(key: int, *shape: int) -> Tensor:
    count = math.prod(shape)
    return UNIFORM.sample(words(Stream(key), (0, 1), 0, -(-count // 4)), torch.float64)[:count, 0].reshape(shape)


def case(key: int, n: int, d: int, k: int, replicates: int = 3) -> Case:
    spread = draws(4 * key, k).exp()
    problem = LinearVAE(draws(4 * key + 1, n, d), 0.3 + 0.5 * (key % 4), 0.25 * (key % 7), spread)
    return Case(problem, Weights(draws(4 * key + 2, k, d, replicates), draws(4 * key + 3, d, k, replicates)))


@st.composite
def cases(draw: st.DrawFn, most_data: int = 6) -> Case:
    sizes = [draw(st.integers(1, most)) for most in (most_data, 4, 3)]
    return case(draw(st.integers(0, 2**20)), sizes[0], sizes[1], sizes[2])


SMALL = [case(key, n, d, k) for key, (n, d, k) in enumerate([(1, 1, 1), (2, 3, 1), (3, 2, 2), (3, 1, 2), (2, 2, 2)])]


def sampled_objective(problem: LinearVAE, weights: Weights, index: int, noise: Tensor) -> Tensor:
    """One datum's negative beta-ELBO at noise [K, k], replicate 0, written out with library products."""
    encoder, decoder = weights.encoder[..., 0], weights.decoder[..., 0]
    x, variance = problem.data[index], problem.posterior_variance
    mean = encoder @ x
    z = mean + variance.sqrt() * noise
    s = problem.noise_variance
    surprise = (x - z @ decoder.T).square().sum(1) / (2 * s) + len(x) / 2 * math.log(2 * math.pi * s)
    posterior = torch.distributions.Normal(mean, variance.sqrt())
    prior = torch.distributions.Normal(torch.zeros_like(mean), 1.0)
    divergence: Tensor = torch.distributions.kl_divergence(posterior, prior).sum()
    return problem.beta * divergence + surprise.mean()


def outcomes(law: Law, k: int) -> list[tuple[float, Tensor]]:
    """Every value of k independent draws with its probability."""
    pairs = itertools.product(zip(law.support, law.weights, strict=True), repeat=k)
    return [(math.prod(w for _, w in pair), torch.tensor([v for v, _ in pair], dtype=torch.float64)) for pair in pairs]


def enumerated(found: Case, law: Law) -> tuple[Tensor, Tensor]:
    """Sample gradients at B = K = 1, replicate 0, as rows [N, outcomes, P], and the probabilities."""
    problem, rows, possible = found.problem, [], outcomes(law, found.problem.latent_dim)
    noise = torch.stack([value for _, value in possible], dim=-1)[None, None]
    count = noise.shape[-1]
    weights = Weights(*(part[..., :1].repeat(1, 1, count) for part in found.weights))
    for index in range(problem.data_count):
        gradient = problem.sample_gradient(weights, torch.full((1, count), index), noise)
        rows.append(torch.cat([part.flatten(0, 1) for part in gradient]).T)
    return torch.stack(rows), torch.tensor([chance for chance, _ in possible], dtype=torch.float64)


def split_by_enumeration(values: Tensor, chances: Tensor) -> tuple[float, float]:
    """Variance between data of the mean over noise, and mean over data of the variance over noise."""
    means = (values * chances[:, None]).sum(1)
    between = (means - means.mean(0)).square().sum(1).mean()
    within = ((values - means[:, None]).square().sum(2) * chances).sum(1).mean()
    return float(between), float(within)


def flat(weights: Weights) -> Tensor:
    return torch.cat([part.flatten(0, 1) for part in weights])


def folded(rows: Tensor, problem: LinearVAE) -> Weights:
    """Inverse of ``flat``."""
    d, k = problem.data_dim, problem.latent_dim
    return Weights(rows[: d * k].reshape(k, d, -1), rows[d * k :].reshape(d, k, -1))


@pytest.mark.parametrize("found", SMALL)
@pytest.mark.parametrize("law", [THREE_POINT, RADEMACHER], ids=lambda law: law.name)
def test_objective_is_the_enumerated_expectation(found: Case, law: Law) -> None:
    problem, total = found.problem, 0.0
    for chance, noise in outcomes(law, problem.latent_dim):
        for index in range(problem.data_count):
            total += chance * float(sampled_objective(problem, found.weights, index, noise[None]))
    # At most 27 terms of fewer than 100 operations each; 1e-12 leaves the terms a size of 40 times the sum.
    assert float(problem.objective(found.weights)[0]) == pytest.approx(total / problem.data_count, rel=1e-12)


@EXAMPLES
@given(found=cases())
def test_gradient_is_autograd_of_the_objective_and_finite_differences_agree(found: Case) -> None:
    problem = found.problem
    leaves = Weights(*(part.clone().requires_grad_() for part in found.weights))
    expected = torch.autograd.grad(differentiable_objective(problem, leaves), list(leaves))
    gradient = problem.gradient(found.weights)
    scale = max(1.0, float(flat(gradient).abs().max()))
    for part, other in zip(gradient, expected, strict=True):
        assert float((part - other).abs().max()) < 1e-11 * scale
    direction = Weights(torch.ones_like(found.weights.encoder), -torch.ones_like(found.weights.decoder))
    step = 1e-3
    ahead, behind = (
        problem.objective(Weights(*(p + s * q for p, q in zip(found.weights, direction, strict=True))))
        for s in (step, -step)
    )
    # F is quartic along a line: the central difference errs by h^2 / 6 times the third derivative exactly,
    # bounded here through |x|, |w| and the direction's norm.
    reach = 1 + float(flat(found.weights).norm()) + step * float(flat(direction).norm())
    third = 24 * problem.largest_moment / problem.noise_variance * reach * float(flat(direction).norm()) ** 3
    difference = (ahead - behind) / (2 * step) - inner(gradient, direction)
    rounding = 1e3 * EPS * float(ahead.abs().max() + 1) / step
    assert float(difference.abs().max()) < step**2 / 6 * third + rounding * (1 + reach**4)


def differentiable_objective(problem: LinearVAE, weights: Weights) -> Tensor:
    """The objective from its definition by library products, summed over replicates."""
    total = torch.zeros((), dtype=torch.float64)
    s, variance = problem.noise_variance, problem.posterior_variance
    for r in range(weights.encoder.shape[-1]):
        encoder, decoder = weights.encoder[..., r], weights.decoder[..., r]
        mean = problem.data @ encoder.T
        fit = (problem.data - mean @ decoder.T).square().sum(1).mean() + (decoder.square() * variance).sum()
        total = total + fit / (2 * s) + problem.beta / 2 * mean.square().sum(1).mean()
    return total


@EXAMPLES
@given(found=cases(), batch_size=st.integers(1, 4), samples=st.integers(1, 3))
def test_sample_gradient_is_autograd_of_the_sampled_elbo(found: Case, batch_size: int, samples: int) -> None:
    problem = found.problem
    indices = torch.arange(batch_size * 3).reshape(batch_size, 3) % problem.data_count
    noise = draws(7, batch_size, samples, problem.latent_dim, 3)
    gradient = problem.sample_gradient(found.weights, indices, noise)
    for r in range(3):
        leaves = Weights(*(part[..., r : r + 1].clone().requires_grad_() for part in found.weights))
        terms = [sampled_objective(problem, leaves, int(indices[b, r]), noise[b, :, :, r]) for b in range(batch_size)]
        expected = torch.autograd.grad(torch.stack(terms).mean(), list(leaves))
        for part, other in zip(gradient, expected, strict=True):
            # The Gram form subtracts terms as large as |V|^2 |z| |x| / sigma_x2.
            size = 1 + float(flat(found.weights).square().sum()) ** 2 / problem.noise_variance
            assert float((part[..., r] - other[..., 0]).abs().max()) < 1e-13 * size * 100


@pytest.mark.parametrize("found", SMALL)
@pytest.mark.parametrize("law", [THREE_POINT, RADEMACHER], ids=lambda law: law.name)
def test_sample_gradient_is_unbiased_by_enumeration(found: Case, law: Law) -> None:
    gradients, chances = enumerated(found, law)
    mean = (gradients * chances[:, None]).sum(1).mean(0)
    exact = flat(found.problem.gradient(found.one()))[:, 0]
    assert float((mean - exact).abs().max()) < 1e-13 * float(gradients.abs().max()) * gradients.shape[0]


@pytest.mark.parametrize("found", SMALL)
@pytest.mark.parametrize("law", [THREE_POINT, RADEMACHER], ids=lambda law: law.name)
def test_noise_and_radial_splits_are_the_enumerated_variances(found: Case, law: Law) -> None:
    gradients, chances = enumerated(found, law)
    along = gradients @ flat(found.one())  # one column: [N, outcomes, 1]
    splits = found.problem.noise_split(found.weights, law.kurtosis)
    radial = clipping.radial_split(found.problem, found.weights, law.kurtosis)
    for pair, values in ((splits, gradients), (radial, along)):
        # Relative 1e-12, or 1e-14 of the second moment where a part is small beside it (0 for one datum).
        scale = float((values.square().sum(-1) * chances).sum(1).mean())
        for part, expected in zip(pair, split_by_enumeration(values, chances), strict=True):
            assert abs(float(part[0]) - expected) < 1e-12 * max(expected, 0.01 * scale)


WRONG_SPLITS: dict[str, Callable[[float, float], tuple[float, float]]] = {
    "swapped": lambda s1, s2: (s2, s1),
    "half the noise part": lambda s1, s2: (s1, s2 / 2),
    "everything in the noise part": lambda s1, s2: (0.0, s1 + s2),
}


@pytest.mark.parametrize("name", WRONG_SPLITS)
def test_wrong_noise_splits_are_told_from_the_enumerated_one(name: str) -> None:
    found = SMALL[2]
    expected = split_by_enumeration(*enumerated(found, THREE_POINT))
    wrong = WRONG_SPLITS[name](*(float(part[0]) for part in found.problem.noise_split(found.weights, 3.0)))
    assert max(abs(w - e) for w, e in zip(wrong, expected, strict=True)) > 1e-3 * max(expected)


def test_the_kurtosis_matters_to_both_splits() -> None:
    found = SMALL[2]
    for split in (found.problem.noise_split, lambda w, kurt: clipping.radial_split(found.problem, w, kurt)):
        wrong, (_, expected) = split(found.weights, 3.0), split(found.weights, 1.0)
        assert float((wrong[1] - expected).abs().min()) > 1e-3 * float(expected.max())


def test_one_datum_has_no_data_part() -> None:
    found = case(11, 1, 3, 2)
    assert float(found.problem.noise_split(found.weights, 3.0)[0].max()) < 1e-25
    assert float(clipping.radial_split(found.problem, found.weights, 3.0)[0].abs().max()) == 0.0


@EXAMPLES
@given(found=cases())
def test_hessian_is_autograd_of_the_objective(found: Case) -> None:
    problem, one = found.problem, found.one()

    def objective(point: Tensor) -> Tensor:
        return differentiable_objective(problem, folded(point, problem))

    expected = autograd_hessian(objective, flat(one)[:, 0])
    hessian = problem.hessian(one.encoder[..., 0], one.decoder[..., 0])
    assert float((hessian - expected).abs().max()) < 1e-12 * (1 + float(expected.abs().max()))


def autograd_hessian(function: Callable[[Tensor], Tensor], point: Tensor) -> Tensor:
    hessian: Tensor = torch.autograd.functional.hessian(function, point)
    return hessian


def descended(problem: LinearVAE, key: int) -> Tensor:
    """Objective after quasi-Newton descent from eight starts: upper bounds on the infimum."""
    size = 2 * problem.data_dim * problem.latent_dim
    theta = torch.cat([draws(key + i, size, 1) for i in range(8)], dim=1).requires_grad_()
    optimiser = torch.optim.LBFGS([theta], max_iter=400, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = differentiable_objective(problem, folded(theta, problem))
        loss.backward()
        return loss

    optimiser.step(closure)
    return problem.objective(folded(theta.detach(), problem))


@pytest.mark.parametrize(("n", "d", "k"), [(5, 3, 1), (6, 2, 3), (4, 4, 2)])
@pytest.mark.parametrize("key", [1, 2, 5])
def test_infimum_is_attained_at_the_minimiser_and_no_descent_goes_below(key: int, n: int, d: int, k: int) -> None:
    problem = case(key + 7 * n, n, d, k).problem
    problem = LinearVAE(problem.data, problem.noise_variance, 0.25 * key, problem.posterior_variance)
    point, infimum = problem.minimiser(), problem.infimum()
    scale = 1 + abs(infimum)
    assert abs(float(problem.objective(point)[0]) - infimum) < 1e-12 * scale
    assert float(flat(problem.gradient(point)).abs().max()) < 1e-11 * (1 + problem.largest_moment)
    found = descended(problem, 50 * key)
    assert float(found.min()) > infimum - 1e-11 * scale
    # The search reaches it, so a closed form that is too low is told apart.
    assert float(found.min()) < infimum + 1e-6 * scale


def test_infimum_with_unequal_variances_pairs_the_largest_mode_with_the_smallest_variance() -> None:
    data = torch.tensor([[3.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    problem = LinearVAE(data, 0.5, 0.3, torch.tensor([2.0, 0.1], dtype=torch.float64))
    values, s, beta = (4.5, 0.5), 0.5, 0.3
    offset = math.log(2 * math.pi * s) + beta / 2 * sum(v - 1 - math.log(v) for v in (2.0, 0.1))

    def paired(variances: tuple[float, float]) -> float:
        active = [
            math.sqrt(beta * x * v / s) - beta * v / 2 if x > beta * s * v else x / (2 * s)
            for x, v in zip(values, variances, strict=True)
        ]
        return sum(active) + offset

    assert problem.infimum() == pytest.approx(paired((0.1, 2.0)), rel=1e-13)
    assert paired((2.0, 0.1)) > problem.infimum() + 0.1


def test_infimum_at_beta_zero_is_approached_and_not_attained() -> None:
    found = case(9, 4, 3, 3)
    problem = LinearVAE(found.problem.data, 0.5, 0.0, found.problem.posterior_variance)
    scale = 1e-4
    eye = torch.eye(3, dtype=torch.float64)[..., None]
    gap = float(problem.objective(Weights(eye / scale, eye * scale))[0]) - problem.infimum()
    assert 0 < gap < scale**2 * float(problem.posterior_variance.sum()) / problem.noise_variance
    with pytest.raises(ValueError, match="allowed"):
        problem.minimiser()


@EXAMPLES
@given(found=cases(), radius=st.integers(1, 30).map(lambda i: i / 10))
def test_smoothness_bound_holds_on_the_ball_and_at_its_extremal_point(found: Case, radius: float) -> None:
    problem = found.problem
    bound = problem.smoothness_on_ball(radius)
    extremal = problem.extremal_point(radius)
    assert float(inner(extremal, extremal)[0]) == pytest.approx(radius**2, rel=1e-13)
    inside = clipping.clip(found.weights, radius)
    for r, point in ((0, inside), (1, inside), (0, extremal)):
        hessian = problem.hessian(point.encoder[..., r], point.decoder[..., r])
        # Weyl: symmetric eigenvalues move by at most the matrix error, P eps |H|.
        assert float(torch.linalg.matrix_norm(hessian, 2)) <= bound * (1 + 1e-12)
    unit = flat(extremal)[:, 0] / radius
    hessian = problem.hessian(extremal.encoder[..., 0], extremal.decoder[..., 0])
    axis = float(problem.posterior_variance.max()) / problem.noise_variance
    top = problem.largest_moment
    expected = top / problem.noise_variance * (1 + 1.5 * radius**2) + (problem.beta * top + axis) / 2
    assert float(unit @ hessian @ unit) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("radius", [0.1, 1.0, 4.0])
def test_smoothness_bound_is_an_equality_in_the_matched_case(radius: float) -> None:
    data = case(3, 6, 3, 2).problem.data
    base = LinearVAE(data, 0.7, 1.0, torch.full((2,), 0.4, dtype=torch.float64))
    problem = LinearVAE(data, 0.7, 0.4 / 0.7 / base.largest_moment, base.posterior_variance)
    point = problem.extremal_point(radius)
    norm = float(torch.linalg.matrix_norm(problem.hessian(point.encoder[..., 0], point.decoder[..., 0]), 2))
    bound = problem.smoothness_on_ball(radius)
    assert norm == pytest.approx(bound, rel=1e-12)
    for wrong in (bound / 1.25, bound * 0.999):
        assert norm > wrong * (1 + 1e-12)


@EXAMPLES
@given(found=cases(), radius=st.integers(1, 30).map(lambda i: i / 10), kurtosis=st.sampled_from([1.0, 1.8, 3.0]))
def test_gradient_and_noise_bounds_hold_at_every_point_of_the_ball(found: Case, radius: float, kurtosis: float) -> None:
    problem = found.problem
    far = Weights(found.weights.encoder * 1e4, found.weights.decoder * 1e4)
    for point in (
        clipping.clip(found.weights, radius),
        clipping.clip(far, radius),
        problem.extremal_point(radius),
    ):
        gradient = problem.gradient(point)
        assert float(inner(gradient, gradient).max()) <= problem.gradient_bound(radius) ** 2
        for part, bound in zip(
            problem.noise_split(point, kurtosis), problem.noise_bounds(radius, kurtosis), strict=True
        ):
            assert float(part.max()) <= bound


def test_gradient_and_noise_bounds_are_nearly_reached_so_wrong_versions_fail() -> None:
    # One dimension: every norm inequality in the bounds is an equality at V and W of opposite sign.
    one = torch.ones(1, dtype=torch.float64)
    problem = LinearVAE(torch.tensor([[2.0], [-2.0], [0.0], [0.0]], dtype=torch.float64), 0.5, 0.3, 0.4 * one)
    radius = 2.0
    angles = torch.linspace(0, math.pi / 2, 2001, dtype=torch.float64)
    circle = Weights((radius * -angles.sin())[None, None], (radius * angles.cos())[None, None])
    gradient = problem.gradient(circle)
    reached = float(inner(gradient, gradient).max().sqrt())
    assert 0.99 * problem.gradient_bound(radius) < reached <= problem.gradient_bound(radius)
    split, bounds = problem.noise_split(circle, 3.0), problem.noise_bounds(radius, 3.0)
    assert 0.99 * bounds[1] < float(split[1].max()) <= bounds[1]
    # s1 is a variance, its bound a second moment: with half of the data at zero it reaches half of it.
    assert 0.4 * bounds[0] < float(split[0].max()) <= bounds[0]
    # One outlier among many zeros brings it close.
    sparse = LinearVAE(torch.tensor([[2.0]] + [[0.0]] * 200, dtype=torch.float64), 0.5, 0.3, 0.4 * one)
    reached_part = float(sparse.noise_split(circle, 3.0)[0].max())
    assert 0.98 * sparse.noise_bounds(radius, 3.0)[0] < reached_part <= sparse.noise_bounds(radius, 3.0)[0]


@EXAMPLES
@given(found=cases(), radius=st.integers(1, 50).map(lambda i: i / 10))
def test_soft_clip_inverts_and_its_derivative_is_autograd(found: Case, radius: float) -> None:
    theta = found.weights
    weights = clipping.clip(theta, radius)
    assert float(inner(weights, weights).max()) < radius**2
    back = clipping.unclip(weights, radius)
    # Near the sphere 1 - |w|^2 / r^2 = 1 / rho^2 loses rho^2 units in the last place.
    tolerance = 20 * EPS * float(clipping.stretch(theta, radius).max()) ** 2
    assert float((flat(back) - flat(theta)).norm()) <= tolerance * float(flat(theta).norm())
    vector = found.problem.gradient(weights)
    pulled = flat(clipping.pull_back(theta, vector, radius))[:, 0]

    def phi(point: Tensor) -> Tensor:
        return point / torch.sqrt(1 + point.square().sum() / radius**2)

    point = flat(theta)[:, 0]
    jacobian: Tensor = torch.autograd.functional.jacobian(phi, point)
    expected = jacobian.T @ flat(vector)[:, 0]
    assert float((pulled - expected).norm()) < 1e-12 * (1 + float(flat(vector)[:, 0].norm()))
    assert float(torch.linalg.matrix_norm(jacobian, 2)) <= 1 + 1e-13


def test_curvature_constant_is_reached_and_never_passed() -> None:
    radius, grid = 1.7, torch.linspace(0, 6, 3001, dtype=torch.float64)
    largest = 0.0
    for share in torch.linspace(0, 1, 21, dtype=torch.float64):
        # Second derivative along (sqrt share, sqrt(1 - share)) at theta = radius u e_1, in closed form:
        # h = q^(-1/2), q = 1 + u^2: D^2 Phi[v, v] = 2 v (h', v) + theta h''.
        u, a, b = grid, share.sqrt(), (1 - share).sqrt()
        q = 1 + u * u
        first = -u * a / q**1.5 / radius
        second = (-1 / q**1.5 + 3 * u * u * share / q**2.5) / radius**2
        norm = torch.hypot(2 * a * first + radius * u * second, 2 * b * first)
        largest = max(largest, float(norm.max()) * radius)
    assert clipping.CURVATURE * (1 - 1e-5) < largest <= clipping.CURVATURE * (1 + 1e-14)


@pytest.mark.parametrize("found", SMALL)
@pytest.mark.parametrize("law", [THREE_POINT, RADEMACHER], ids=lambda law: law.name)
def test_noise_trace_of_the_clipped_estimator_is_the_enumerated_one(found: Case, law: Law) -> None:
    problem, radius, theta = found.problem, 1.3, found.weights
    weights = clipping.clip(theta, radius)
    gradients, chances = enumerated(Case(problem, weights), law)
    count = gradients.shape[1]
    pulled = []
    for rows in gradients:
        one = Weights(*(part[..., :1].repeat(1, 1, count) for part in theta))
        pulled.append(flat(clipping.pull_back(one, folded(rows.T, problem), radius)).T)
    expected = split_by_enumeration(torch.stack(pulled), chances)
    split = problem.noise_split(weights, law.kurtosis)
    radial = clipping.radial_split(problem, weights, law.kurtosis)
    scale = float((torch.stack(pulled).square().sum(2) * chances).sum(1).mean())
    for shares in ((1.0, 1.0), (0.5, 0.125)):
        found_trace = float(clipping.noise_trace(theta, radius, split, radial, shares)[0])
        wanted = expected[0] * shares[0] + expected[1] * shares[1]
        assert abs(found_trace - wanted) < 1e-12 * max(wanted, 0.1 * scale)
    # Forgetting that D Phi shortens radial noise more is told apart.
    plain = float((split[0] + split[1])[0]) / float(clipping.stretch(theta, radius)[0]) ** 2
    assert plain > sum(expected) * (1 + 1e-6)


def test_clipped_smoothness_bounds_the_hessian_of_the_composition() -> None:
    found, radius = case(2, 5, 2, 2), 1.5
    bound = clipping.smoothness(found.problem, radius)

    def composed(point: Tensor) -> Tensor:
        weights = point / torch.sqrt(1 + point.square().sum() / radius**2)
        return differentiable_objective(found.problem, folded(weights, found.problem))

    for r in range(3):
        hessian = autograd_hessian(composed, flat(found.weights)[:, r])
        assert float(torch.linalg.matrix_norm(hessian, 2)) <= bound


@EXAMPLES
@given(rows=st.integers(1, 40), inner_size=st.integers(1, 6))
def test_sums_and_products_agree_with_the_library(rows: int, inner_size: int) -> None:
    left, right = draws(1, rows, inner_size, 5), draws(2, inner_size, 3, 5)
    torch.testing.assert_close(
        product(left, right), torch.einsum("mnr,npr->mpr", left, right), rtol=0, atol=inner_size * 10 * EPS
    )
    torch.testing.assert_close(tree_sum(left), left.sum(0), rtol=0, atol=rows * rows * 4 * EPS)


@pytest.mark.usefixtures("no_shape_checks")
def test_bad_problems_and_radii_are_refused_in_one_line() -> None:
    data, variance = torch.ones(2, 2, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    good = LinearVAE(data, 1.0, 1.0, variance)
    outside = Weights(torch.ones(1, 2, 1), torch.ones(2, 1, 1))
    calls: list[Callable[[], object]] = [
        lambda: LinearVAE(data[0], 1.0, 1.0, variance),
        lambda: LinearVAE(data * math.nan, 1.0, 1.0, variance),
        lambda: LinearVAE(data, 0.0, 1.0, variance),
        lambda: LinearVAE(data, 1.0, -1.0, variance),
        lambda: LinearVAE(data, 1.0, 1.0, -variance),
        lambda: LinearVAE(data, 1.0, 1.0, variance.float()),
        lambda: good.smoothness_on_ball(0.0),
        lambda: good.gradient_bound(math.inf),
        lambda: clipping.unclip(outside, 1.0),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="allowed") as caught:
            call()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("law", [THREE_POINT, RADEMACHER], ids=lambda law: law.name)
def test_no_sample_gradient_in_the_ball_is_longer_than_its_bound(law: Law) -> None:
    data = torch.tensor([[1.0, -0.5, 0.2], [0.3, 0.8, -1.1]], dtype=torch.float64)
    problem = LinearVAE(data, 0.6, 0.8, torch.tensor([0.5, 0.9], dtype=torch.float64))
    outcomes = list(itertools.product(range(2), *(law.support,) * 2))
    indices = torch.tensor([[i for i, *_ in outcomes]])
    eps = torch.tensor([draws for _, *draws in outcomes], dtype=torch.float64).T.reshape(1, 1, 2, -1)
    longest = 0.0
    for seed in range(20):
        flat = torch.randn(12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        flat = flat * 1.5 / flat.norm()
        weights = Weights(flat[:6].reshape(2, 3, 1), flat[6:].reshape(3, 2, 1))
        slope = problem.sample_gradient(Weights(*(w.expand(-1, -1, len(outcomes)) for w in weights)), indices, eps)
        longest = max(longest, float(inner(slope, slope).max()) ** 0.5)
    bound = problem.sample_gradient_bound(1.5, law.bound)
    assert bound / 20 < longest <= bound


def test_in_one_dimension_the_bound_on_sample_gradients_is_attained() -> None:
    problem = LinearVAE(torch.tensor([[2.0]], dtype=torch.float64), 0.5, 1.0, torch.tensor([0.25], dtype=torch.float64))
    angles = torch.linspace(0, math.pi / 2, 2001, dtype=torch.float64)
    weights = Weights(1.5 * angles.sin()[None, None], -1.5 * angles.cos()[None, None])
    slope = problem.sample_gradient(
        weights, torch.zeros(1, 2001, dtype=torch.int64), torch.ones(1, 1, 1, 2001, dtype=torch.float64)
    )
    longest, bound = float(inner(slope, slope).max()) ** 0.5, problem.sample_gradient_bound(1.5, 1.0)
    # Two grids of angles of width 8e-4 and 4e-4: a relative difference of that order, times the degree four.
    assert longest <= bound <= longest * 1.005
