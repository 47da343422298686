"""The norm of a symmetric bilinear map into the plane, enclosed."""

import math

import numpy as np
from jaxtyping import Float

from elbound.properties.evidence.intervals import Interval

DIRECTIONS = 256
POLISH = 20


def bilinear_norm(form: Float[np.ndarray, "2 p p"], error: float) -> Interval:
    """sup |B[v, w]| over unit v and w of a symmetric bilinear map B: R^p x R^p -> R^2, entry i the form[i].

    The norm is the largest |y . B| over unit y, |y . B| the spectral norm of a symmetric matrix. Where it is attained,
    at y* and v*, the number y . B[v*, v*] is the norm times y . y*: so a grid of lines through the origin of the plane,
    each direction within pi / (2 DIRECTIONS) of one, misses the norm by the cosine of that angle at most. From below
    stands what is attained after alternating between y and v. ``error`` bounds the spectral error of every |y . B|
    and is added on both sides. Raises ValueError for a map into another space and for non-finite entries.
    """
    if form.ndim != 3 or form.shape[0] != 2 or form.shape[1] != form.shape[2] or not np.isfinite(form).all():
        raise ValueError(f"form has shape {form.shape}; allowed: a finite [2, p, p]")
    angles = (np.arange(DIRECTIONS) + 0.5) * (math.pi / DIRECTIONS)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    values, vectors = np.linalg.eigh(np.tensordot(directions, form, 1))
    sizes = np.abs(values).max(1)
    best = int(sizes.argmax())
    vector = vectors[best][:, np.abs(values[best]).argmax()]
    attained = float(sizes[best])
    for _ in range(POLISH):
        image = np.einsum("ipq,p,q->i", form, vector, vector)
        length = float(np.linalg.norm(image))
        if length <= attained:
            break
        attained = length
        values, vectors = np.linalg.eigh(np.tensordot(image / length, form, 1))
        vector = vectors[:, np.abs(values).argmax()]
    highest = max(float(sizes.max()) / math.cos(math.pi / (2 * DIRECTIONS)), attained)
    return Interval.between(max(attained - error, 0.0), highest + error)
