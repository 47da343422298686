"""Data sets: reproducible, with the moments they promise; files: read faithfully or refused in one line."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from elbound.impl.data import DATA, centred_digits, digits, load, near_degenerate, read, select, spiked, two_valued

EPS = np.finfo(np.float64).eps
GOOD = np.array([[1.0, 2.0], [3.0, 5.0], [4.0, -1.0], [0.5, 0.0]])


def saved(folder: Path, values: np.ndarray) -> Path:
    path = folder / "table.npy"
    np.save(path, values)
    return path


def written(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


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


@pytest.mark.parametrize(
    "dtype", [np.float64, np.float32, np.float16, np.longdouble, np.int8, np.int64, np.bool_, ">f4"]
)
def test_real_arrays_of_any_type_come_back_as_float64(tmp_path: Path, dtype: np.dtype) -> None:
    values = (GOOD > 1).astype(dtype) if np.dtype(dtype).kind == "b" else GOOD.astype(dtype)
    data = read(saved(tmp_path, np.asfortranarray(values)))
    assert data.name == "table"
    assert data.values.dtype == np.float64
    assert data.values.flags.c_contiguous
    assert not data.values.flags.writeable
    assert np.array_equal(data.values, values.astype(np.float64))


@pytest.mark.parametrize("header", ["", "a,b\n", "\ufeffa,b\r\n", "\n"])
def test_a_csv_holds_the_same_table_and_digest_as_the_array(tmp_path: Path, header: str) -> None:
    text = header + "\n".join(",".join(repr(float(v)) for v in row) for row in GOOD) + "\n\n"
    data = read(written(tmp_path, text))
    array = read(saved(tmp_path, GOOD))
    assert np.array_equal(data.values, GOOD)
    assert data.digest == array.digest
    assert data.digest != read(saved(tmp_path, GOOD + EPS)).digest
    assert data.digest != read(saved(tmp_path, GOOD.reshape(4, 2)[:3])).digest


def with_entry(value: float) -> np.ndarray:
    values = GOOD.copy()
    values[2, 1] = value
    return values


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (np.array([[1, "a"], [2, 3], [4, 5]], dtype=object), "not objects"),
        (np.array([["1", "2"], ["3", "4"], ["5", "6"]]), "entries of type <U1"),
        (GOOD + 1j, "entries of type complex128"),
        (GOOD[:, 0], r"shape \(4,\) must be \[rows, columns\]"),
        (GOOD[None], r"shape \(1, 4, 2\)"),
        (np.zeros((4, 0)), "at least 1 column"),
        (GOOD[:2], "2 rows; at least 3"),
        (np.zeros((0, 2)), "0 rows; at least 3"),
        (with_entry(np.nan), "row 3, column 2: nan must be finite"),
        (with_entry(-np.inf), "row 3, column 2: -inf must be finite"),
        (with_entry(1.1e6), r"row 3, column 2: 1100000.0 .*at most 1e\+06"),
        (np.array([[0, 1], [np.iinfo(np.int64).min, 2], [5, 3]]), "row 2, column 1: -9223372036854775808"),
        (GOOD * [1, 0], "column 2: constant at 0.0"),
    ],
)
def test_an_array_that_cannot_be_judged_is_refused_in_one_line(tmp_path: Path, values: np.ndarray, named: str) -> None:
    path = tmp_path / "table.npy"
    np.save(path, values, allow_pickle=True)
    with pytest.raises(ValueError, match=named) as refusal:
        read(path)
    assert "\n" not in str(refusal.value)
    assert "table.npy" in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a,b\n1,2\n3,x\n5,6\n", "row 3, column 2: 'x' is not a real number"),
        ("1,2\n3,1_0\n5,6\n", "row 2, column 2: '1_0' is not"),
        ("1,2\n3,\n5,6\n", "row 2, column 2: '' is not"),
        ("1,b\n3,4\n5,6\n", "row 1, column 2: 'b' is not"),
        ("1+2j,1\n3,4\n5,6\n", r"row 1, column 1: '1\+2j' is not"),
        ("1,2\n3,4,5\n5,6\n", "row 2: 3 cells where the first row has 2"),
        ("a,b\n1,2\n\n3,nan\n5,6\n", "row 4, column 2: nan must be finite"),
        ("a;b\n1;2\n3;4\n5;6\n", "row 2, column 1: '1;2' is not"),
        ("1,2\n3,4\n", "2 rows; at least 3"),
        ("1,2\n3,2\n4,2\n", "column 2: constant at 2.0"),
        ("a,b\n", "0 rows"),
        ("", "0 rows"),
        ('1,2\n"3,4\n5,6\n', "cannot be read"),
    ],
)
def test_a_text_that_cannot_be_judged_is_refused_in_one_line(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named) as refusal:
        read(written(tmp_path, text))
    assert "\n" not in str(refusal.value)
    assert "table.csv" in str(refusal.value)


def test_files_that_are_no_tables_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder.npy").mkdir()
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(GOOD))
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "latin.csv").write_bytes(b"\xff\xfe1,2\n")
    whole = saved(tmp_path, GOOD).read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-8])
    (tmp_path / "huge.npy").write_bytes(whole.replace(b"(4, 2)", b"(4000000000000000000, 2)"))
    np.savez(tmp_path / "archive.npz", GOOD)
    (tmp_path / "archive.npy").write_bytes((tmp_path / "archive.npz").read_bytes())
    named = {
        "absent.csv": "does not exist",
        "folder.npy": "cannot be read",
        "latin.csv": "cannot be read",
        "table.txt": "suffix '.txt' must be one of .npy, .csv",
        "archive.npz": "suffix '.npz'",
        **dict.fromkeys(["pickle.npy", "empty.npy", "cut.npy", "huge.npy", "archive.npy"], "must be a plain numeric"),
    }
    for name, words in named.items():
        with pytest.raises(ValueError, match=words) as refusal:
            read(tmp_path / name)
        assert name in str(refusal.value)
        assert "\n" not in str(refusal.value)


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
