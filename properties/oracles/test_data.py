"""Data sets: reproducible, with the moments they promise."""

import numpy as np
import pytest

from elbound.impl.data import DATA, centred_digits, digits, load, near_degenerate, select, spiked, two_valued

EPS = np.finfo(np.float64).eps


@pytest.mark.parametrize("name", DATA)
def test_every_maker_is_a_function_of_its_arguments_alone(name: str) -> None:
    np.random.seed(1)  # noqa: NPY002  the global generator must not matter
    first = load(name, 40, 3, 7)
    np.random.seed(2)  # noqa: NPY002
    assert np.array_equal(first, load(name, 40, 3, 7))
    assert not np.array_equal(first, load(name, 40, 3, 8))
    assert (first.shape, first.dtype) == ((40, 3), np.dtype(np.float64))
    assert np.isfinite(first).all()


def test_digits_are_the_pixels_of_largest_variance_in_the_unit_interval() -> None:
    from sklearn.datasets import load_digits

    whole = load_digits().data
    rows = digits(1797, 10)
    assert rows.min() == 0
    assert rows.max() == 1
    kept = np.sort(np.argsort(-whole.var(axis=0))[:10])
    # The same multiset of rows, in another order.
    assert np.array_equal(np.unique(rows * 16, axis=0), np.unique(whole[:, kept], axis=0))
    assert not np.array_equal(rows * 16, whole[:, kept])
    assert np.array_equal(digits(20, 10), rows[:20])
    assert abs(centred_digits(300, 10).mean(axis=0)).max() <= 300 * EPS


def test_spiked_rows_have_the_spiked_covariance() -> None:
    count = 40_000
    sample = spiked(count, 4, (8.0, 3.0), seed=3)
    covariance = sample.T @ sample / count
    expected = np.diag([9.0, 4.0, 1.0, 1.0])
    deviation = np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / count)
    # Sixteen nearly normal entries: all within 6 standard deviations but once in 3e7.
    assert (abs(covariance - expected) <= 6 * deviation).all()
    assert not (abs(covariance - np.eye(4)) <= 6 * deviation).all()


@pytest.mark.parametrize(("share", "kurtosis"), [(0.5, 1.0), (0.1, 0.9**2 / 0.1 + 0.1**2 / 0.9)])
def test_two_valued_columns_are_standardised_exactly(share: float, kurtosis: float) -> None:
    values = two_valued(200, 3, share, seed=5)
    tolerance = 200 * EPS * kurtosis
    assert abs(values.mean(axis=0)).max() <= tolerance
    assert abs((values**2).mean(axis=0) - 1).max() <= tolerance
    assert abs((values**4).mean(axis=0) - kurtosis).max() <= tolerance * 20
    assert all(len(np.unique(column)) == 2 for column in values.T)
    assert not np.array_equal(values[:, 0], values[:, 1])


def test_near_degenerate_rows_are_almost_of_rank_one() -> None:
    count, dim, spread = 60, 5, 1e-3
    singular = np.linalg.svd(near_degenerate(count, dim, 1, spread), compute_uv=False)
    # The second singular value is at most that of the noise: spread (sqrt N + sqrt d + 6), but once in e^18.
    assert 0 < singular[1] <= spread * (np.sqrt(count) + np.sqrt(dim) + 6)
    assert singular[0] > 100 * singular[1]


@pytest.mark.parametrize(
    ("name", "count", "dim", "seed", "named"),
    [
        ("digit", 5, 5, 0, "'digit' is unknown"),
        ("digits", 1798, 5, 0, "count 1798 must be between 1 and 1797"),
        ("digits", 5, 62, 0, "dim 62 must be between 1 and 61"),
        ("spiked", 0, 5, 0, "count 0 must be at least 1"),
        ("spiked", 5, 5, -1, "seed -1"),
        ("two-valued", 0, 5, 0, "count 0 must be at least 2"),
        ("two-valued", 1, 5, 0, "count 1 must be at least 2"),
        ("near-degenerate", 5, 0, 0, "dim 0 must be at least 1"),
    ],
)
def test_a_bad_request_is_refused(name: str, count: int, dim: int, seed: int, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        load(name, count, dim, seed)


@pytest.mark.parametrize("spikes", [(1.0, 1.0, 1.0), (-0.1,), (np.inf,), (np.nan,)])
def test_bad_spikes_are_refused(spikes: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="spikes"):
        spiked(5, 2, spikes, 0)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9, 1.0])
def test_a_share_that_leaves_one_value_only_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="must be between 1 and 2"):
        two_valued(3, 2, share, 0)


def test_a_bad_spread_is_refused() -> None:
    with pytest.raises(ValueError, match="spread"):
        near_degenerate(5, 2, 0, spread=0.0)


def test_image_patches_are_centred_pixels_of_one_photograph_and_a_function_of_the_seed() -> None:
    patches = load("image-patches", 200, 9, 3)
    assert patches.shape == (200, 9)
    assert np.abs(patches.mean(axis=0)).max() <= 200 * np.finfo(float).eps
    assert np.abs(patches).max() <= 1
    assert np.array_equal(patches, load("image-patches", 200, 9, 3))
    assert not np.array_equal(patches, load("image-patches", 200, 9, 4))
    # Neighbouring pixels of a photograph agree far more than pixels of different patches do.
    assert np.corrcoef(patches[:, 0], patches[:, 1])[0, 1] > 0.5


@pytest.mark.parametrize("dim", [0, 257])
def test_image_patches_refuse_a_dimension_out_of_range(dim: int) -> None:
    with pytest.raises(ValueError, match=r"image patches: dim .* must be"):
        load("image-patches", 10, dim, 0)


def test_a_selection_keeps_the_columns_of_largest_variance_and_rows_of_a_keyed_shuffle() -> None:
    values = np.arange(20.0).reshape(5, 4) * np.array([1.0, 3.0, 0.5, 2.0])
    kept = select(values, 3, 2, 7)
    assert kept.shape == (3, 2)
    assert {tuple(row) for row in kept} <= {tuple(row) for row in values[:, [1, 3]]}
    assert np.array_equal(kept, select(values, 3, 2, 7))
    assert select(values, 50, 9, 7).shape == values.shape
