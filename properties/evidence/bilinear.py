"""The norm of a symmetric bilinear map into the plane, enclosed."""

import math

import numpy as np
from jaxtyping import Float

from elbound.properties.evidence.intervals import Interval

# Directions of the first grid, also the most that are halved; halvings; steps of the ascent; and the relative width at
# which the search ends.
DIRECTIONS, HALVINGS, ASCENT, WIDTH = 256, 16, 20, 1e-10


def bilinear_norm(form: Float[np.ndarray, "2 p p"], error: float, first: int = 0) -> Interval:
    """sup |B[v, w]| over unit v and w of a symmetric bilinear map B: R^p x R^p -> R^2, entry i the form[i].

    The norm is the largest |y . B| over unit y, |y . B| the spectral norm of a symmetric matrix; from below stands what
    an ascent attains. Where it is attained, at y* and v*, the number y . B[v*, v*] is the norm times y . y*: so if y*
    lies within an angle of y, the norm is at most |y . B| over its cosine. Sectors in which that exceeds what is
    attained are halved, unless too many are left. Where the block of the ``first`` coordinates vanishes, the map being
    linear in these, a second bound from above needs no grid. ``error`` bounds the spectral error of every |y . B| and
    is added on both sides. Raises ValueError for a map into another space and for non-finite entries.
    """
    if form.ndim != 3 or form.shape[0] != 2 or form.shape[1] != form.shape[2] or not np.isfinite(form).all():
        raise ValueError(f"form has shape {form.shape}; allowed: a finite [2, p, p]")
    angle = math.pi / (2 * DIRECTIONS)
    sectors = angle * (2 * np.arange(DIRECTIONS) + 1)
    sizes = _sizes(form, sectors)
    attained = _ascent(form, sectors[sizes.argmax()])
    enough = attained * (1 + WIDTH)
    for _ in range(HALVINGS):
        left = sizes / math.cos(angle) > enough
        if not left.any() or left.sum() > DIRECTIONS // 4:
            break
        angle /= 2
        sectors = np.concatenate([sectors[left] - angle, sectors[left] + angle])
        sizes = _sizes(form, sectors)
    highest = max(float(sizes.max()) / math.cos(angle), enough)
    if first and not form[:, :first, :first].any():
        highest = min(highest, _linear_in_first(form[:, :first, first:], form[:, first:, first:]))
    return Interval.between(max(attained - error, 0.0), max(highest, attained) + error)


def _sizes(form: Float[np.ndarray, "2 p p"], angles: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """|y . B| at the unit vectors y of these angles."""
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found: Float[np.ndarray, " n"] = np.abs(np.linalg.eigvalsh(np.tensordot(directions, form, 1))).max(1)
    return found


def _ascent(form: Float[np.ndarray, "2 p p"], angle: float) -> float:
    """The largest |B[v, v]| met, v and y = B[v, v] / |B[v, v]| each taken as the best for the other in turn."""
    direction, attained = np.array([math.cos(angle), math.sin(angle)]), 0.0
    for _ in range(ASCENT):
        values, vectors = np.linalg.eigh(np.tensordot(direction, form, 1))
        vector = vectors[:, np.abs(values).argmax()]
        image = np.einsum("ipq,p,q->i", form, vector, vector)
        length = float(np.linalg.norm(image))
        if length <= attained:
            break
        direction, attained = image / length, length
    return attained


def _linear_in_first(mixed: Float[np.ndarray, "2 a b"], rest: Float[np.ndarray, "2 b b"]) -> float:
    """An upper bound on |2 N(t) s + R[t, t]| over |s|^2 + |t|^2 = 1, N(t) the 2 x a matrix of the mixed block.

    |N(t)|^2 is the larger eigenvalue of a 2 x 2 matrix of quadratic forms in t, half its trace and half the root of
    (difference of the diagonal)^2 + 4 (corner)^2, each at most its own norm. Then 2 |s| |t| |N| + |t|^2 |R| is a form.
    """

    def norm(matrix: Float[np.ndarray, "b b"]) -> float:
        return float(np.linalg.norm(matrix, 2))

    one, two = (part.T @ part for part in mixed)
    corner = mixed[0].T @ mixed[1]
    square = (norm(one + two) + math.hypot(norm(one - two), norm(corner + corner.T))) / 2
    bent = math.hypot(norm(rest[0]), norm(rest[1]))
    return bent / 2 + math.sqrt(bent**2 / 4 + square)
