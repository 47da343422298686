"""Data sets as float64 arrays [N, d]: bundled, generated from a key, or read from a user's file."""

import csv
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

Table = Float[np.ndarray, "N d"]
Maker = Callable[[int, int, int], Table]

LARGEST_MAGNITUDE = 1e6
FEWEST_ROWS = 3


@dataclass(frozen=True)
class UserData:
    """A user's table: its name, read-only float64 values [N, d], the SHA-256 of shape and values, its rows' numbers.

    The numbers are those by which messages speak of the rows: counted from 1, or the lines of a .csv.
    """

    name: str
    values: Table
    digest: str
    rows: tuple[int, ...]


def digits(count: int, dim: int, seed: int = 0) -> Table:
    """Handwritten digits (Alpaydin and Kaynak 1998, as bundled with scikit-learn): [count, dim], in [0, 1].

    Keeps the `dim` pixels of largest variance over the whole set, the lower index first among equals, and the
    first `count` rows of a shuffle keyed by `seed`. ValueError outside 1 <= count <= 1797 and 1 <= dim <= 61,
    the number of pixels that vary.
    """
    pixels = _pixels()
    # Integers, so that the ranking and its ties are the same on every machine.
    spread = len(pixels) * (pixels**2).sum(axis=0) - pixels.sum(axis=0) ** 2
    _require("digits: count", count, 1, len(pixels))
    _require("digits: dim", dim, 1, int((spread > 0).sum()))
    kept = np.sort(np.argsort(-spread, kind="stable")[:dim])
    rows = pixels[_shuffle(len(pixels), seed, stream=1)[:count]]
    values: Table = rows[:, kept] / 16.0
    return values


def centred_digits(count: int, dim: int, seed: int = 0) -> Table:
    """The digits less their mean over the rows kept: [count, dim]."""
    values = digits(count, dim, seed)
    centred: Table = values - values.mean(axis=0)
    return centred


def image_patches(count: int, dim: int, seed: int = 0) -> Table:
    """Grey patches of a photograph bundled with scikit-learn, less their mean: [count, dim], pixels of a unit scale.

    The first `dim` pixels of square patches of side ceil(sqrt(dim)), at places keyed by `seed`. ValueError unless
    count >= 1 and 1 <= dim <= 256.
    """
    _require("image patches: count", count, 1)
    _require("image patches: dim", dim, 1, 256)
    image, side = _photograph(), math.isqrt(dim - 1) + 1
    rows, columns = (length - side + 1 for length in image.shape)
    places = _words((count,), seed, stream=5) % np.uint64(rows * columns)
    corners = [divmod(int(place), columns) for place in places]
    patches = np.array([image[i : i + side, j : j + side].reshape(-1)[:dim] for i, j in corners])
    centred: Table = patches - patches.mean(axis=0)
    return centred


def spiked(count: int, dim: int, spikes: tuple[float, ...], seed: int) -> Table:
    """Gaussian rows with covariance I + diag(spikes, 0, ..., 0): [count, dim] (Johnstone 2001).

    ValueError unless count, dim >= 1, at most `dim` spikes, each finite and at least 0.
    """
    _require("spiked: count", count, 1)
    _require("spiked: dim", dim, 1)
    if len(spikes) > dim or not all(0 <= spike < np.inf for spike in spikes):
        raise ValueError(f"spiked: spikes {spikes} must be at most dim = {dim} finite numbers of at least 0")
    scale = np.ones(dim)
    scale[: len(spikes)] = np.sqrt(1 + np.array(spikes))
    return _normals((count, dim), seed, stream=2) * scale


def two_valued(count: int, dim: int, share: float, seed: int) -> Table:
    """Columns of two values, mean 0 and variance 1 exactly, the upper in a share of the rows: [count, dim].

    With k = round(share * count) the values are sqrt((count - k) / k) and -sqrt(k / (count - k)), so a small
    share makes heavy tails. Each column shuffles its rows by itself. ValueError unless 1 <= k <= count - 1.
    """
    _require("two-valued: count", count, 2)
    _require("two-valued: dim", dim, 1)
    upper = round(share * count)
    _require(f"two-valued: rows with the upper value, share {share} of {count},", upper, 1, count - 1)
    below = count - upper
    column = np.where(np.arange(count) < upper, np.sqrt(below / upper), -np.sqrt(upper / below))
    values: Table = column[np.argsort(_words((count, dim), seed, stream=3), axis=0, kind="stable")]
    return values


def near_degenerate(count: int, dim: int, seed: int, spread: float = 1e-3) -> Table:
    """Almost rank one: Gaussian multiples of the diagonal direction plus `spread` times noise: [count, dim].

    ValueError unless count, dim >= 1 and 0 < spread <= 1.
    """
    _require("near-degenerate: count", count, 1)
    _require("near-degenerate: dim", dim, 1)
    if not 0 < spread <= 1:
        raise ValueError(f"near-degenerate: spread {spread} must lie in (0, 1]")
    normals = _normals((count, dim + 1), seed, stream=4)
    values: Table = normals[:, :1] / np.sqrt(dim) + spread * normals[:, 1:]
    return values


DATA: Mapping[str, Maker] = MappingProxyType(
    {
        "digits": digits,
        "centred-digits": centred_digits,
        "image-patches": image_patches,
        "spiked": lambda count, dim, seed: spiked(count, dim, (8.0, 4.0, 2.0)[:dim], seed),
        "two-valued": lambda count, dim, seed: two_valued(count, dim, max(0.1, 1 / max(count, 1)), seed),
        "near-degenerate": near_degenerate,
    }
)


def load(name: str, count: int, dim: int, seed: int) -> Table:
    """The data set `name` of DATA: [count, dim]. ValueError on an unknown name or the maker's own refusal."""
    if name not in DATA:
        raise ValueError(f"data set {name!r} is unknown; known are {', '.join(DATA)}")
    return DATA[name](count, dim, seed)


def select(values: Table, count: int, dim: int, seed: int) -> Float[np.ndarray, "rows columns"]:
    """Part of a table: its `dim` columns of largest variance, the lower index first among equals, and the
    first `count` rows of a shuffle keyed by `seed`; all columns or rows where it has fewer. ValueError for
    counts below 1.
    """
    _require("selection: count", count, 1)
    _require("selection: dim", dim, 1)
    kept = np.sort(np.argsort(-values.var(axis=0), kind="stable")[:dim])
    part: Table = values[_shuffle(len(values), seed, stream=1)[:count]][:, kept]
    return part


def read(path: str | Path) -> UserData:
    """A user's table from .npy (never unpickled) or .csv (numbers between commas, at most one header line).

    ValueError, one line with file, place and allowed range, on: a missing or unreadable file, another suffix,
    entries that are not real numbers, other than two axes, fewer than 3 rows, NaN or infinity, magnitudes
    above 1e6, a constant column. Rows and columns are counted from 1; the rows of a .csv are its lines.
    """
    path = Path(path)
    if path.suffix not in _READERS:
        raise ValueError(f"data file {path.name!r}: suffix {path.suffix!r} must be one of {', '.join(_READERS)}")
    try:
        raw, rows = _READERS[path.suffix](path)
    except FileNotFoundError:
        raise ValueError(f"data file {str(path)!r} does not exist") from None
    except (OSError, EOFError, MemoryError, OverflowError, UnicodeError, csv.Error) as reason:
        raise ValueError(f"data file {path.name!r} cannot be read: {_line(reason)}") from None
    _check(f"data file {path.name!r}", raw, rows)
    values = np.ascontiguousarray(raw, dtype=np.float64)
    values.setflags(write=False)
    return UserData(path.stem, values, _digest(values), tuple(rows[: len(values)]))


def _read_npy(path: Path) -> tuple[np.ndarray, Sequence[int]]:
    with path.open("rb") as file:
        try:
            raw = np.lib.format.read_array(file, allow_pickle=False)
        except ValueError as reason:
            raise ValueError(
                f"data file {path.name!r} must be a plain numeric .npy array, not objects or another format:"
                f" {_line(reason)}"
            ) from None
    return raw, range(1, raw.size + 1)


def _read_csv(path: Path) -> tuple[np.ndarray, Sequence[int]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        lines = [(reader.line_num, cells) for cells in reader if cells]
    if lines and not any(_is_number(cell) for cell in lines[0][1]):
        del lines[0]
    if not lines:
        raise ValueError(f"data file {path.name!r} has 0 rows of numbers; at least {FEWEST_ROWS} are needed")
    width = len(lines[0][1])
    for line, cells in lines:
        if len(cells) != width:
            raise ValueError(f"data file {path.name!r}, row {line}: {len(cells)} cells where the first row has {width}")
        for column, cell in enumerate(cells, start=1):
            if not _is_number(cell):
                raise ValueError(
                    f"data file {path.name!r}, row {line}, column {column}: {cell[:40]!r} is not a real number"
                )
    return np.array([[float(cell) for cell in cells] for _, cells in lines]), [line for line, _ in lines]


_READERS: Mapping[str, Callable[[Path], tuple[np.ndarray, Sequence[int]]]] = MappingProxyType(
    {".npy": _read_npy, ".csv": _read_csv}
)


def _check(what: str, raw: np.ndarray, rows: Sequence[int]) -> None:
    if raw.dtype.kind not in "fiub":
        raise ValueError(f"{what}: entries of type {raw.dtype} must be real numbers (float, integer or boolean)")
    if raw.ndim != 2 or raw.shape[1] == 0:
        raise ValueError(f"{what}: shape {raw.shape} must be [rows, columns] with at least 1 column")
    if len(raw) < FEWEST_ROWS:
        raise ValueError(f"{what}: {len(raw)} rows; at least {FEWEST_ROWS} are needed")
    # In float64 at least: half precision cannot hold the limit, nor integers the magnitude of their least.
    magnitude = np.abs(raw.astype(np.result_type(raw, np.float64)))
    for place in np.argwhere(~(magnitude <= LARGEST_MAGNITUDE))[:1]:  # so written, NaN fails
        row, column = (int(k) for k in place)
        raise ValueError(
            f"{what}, row {rows[row]}, column {column + 1}: {raw[row, column]} must be finite"
            f" and at most {LARGEST_MAGNITUDE:g} in magnitude"
        )
    for column in np.flatnonzero((raw == raw[0]).all(axis=0))[:1]:
        raise ValueError(f"{what}, column {column + 1}: constant at {raw[0, column]}; every column must vary")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python reads 1_000 as a number; tables do not mean it


def _line(reason: BaseException) -> str:
    return " ".join(str(reason).split())


def _digest(values: Table) -> str:
    shape = np.array(values.shape, dtype="<u8").tobytes()
    return hashlib.sha256(shape + values.astype("<f8").tobytes()).hexdigest()


def _require(what: str, value: int, least: int, most: int | None = None) -> None:
    if value < least or (most is not None and value > most):
        allowed = f"at least {least}" if most is None else f"between {least} and {most}"
        raise ValueError(f"{what} {value} must be {allowed}")


@cache
def _photograph() -> np.ndarray:
    """The photograph as grey values in [0, 1]: [427, 640]."""
    from sklearn.datasets import load_sample_image

    grey: np.ndarray = load_sample_image("china.jpg").astype(np.float64).mean(axis=2) / 255.0
    return grey


@cache
def _pixels() -> np.ndarray:
    from sklearn.datasets import load_digits  # a second of import that only digits should pay

    pixels: np.ndarray = load_digits().data.astype(np.int64)
    pixels.setflags(write=False)
    return pixels


def _words(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
    # Raw words: numpy promises their stream across versions, not those of permutation or standard_normal.
    _require("seed", seed, 0, 2**64 - 1)
    return np.random.Philox(key=np.array([seed, stream], dtype=np.uint64)).random_raw(shape)


def _shuffle(count: int, seed: int, stream: int) -> np.ndarray:
    return np.argsort(_words((count,), seed, stream), kind="stable")


def _normals(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
    uniforms = ((_words(shape, seed, stream) >> np.uint64(11)) + 0.5) * 2.0**-53
    normals: np.ndarray = ndtri(uniforms)
    return normals
