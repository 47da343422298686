"""Data sets as float64 arrays [N, d]: bundled or generated from a key."""

import math
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

Table = Float[np.ndarray, "N d"]
Maker = Callable[[int, int, int], Table]


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
