"""Limit kernels to 20 digits by quadrature from their definitions, in golden_kernels.json.

python properties/oracles/golden_kernels.py   (rewrites the file; two minutes)

K1 and KV are averages over the weights w of the smoothed activation, by the trapezoid rule in the plane; K2 is an
average over a Gaussian pair of the activation itself, the inner average given the first; V_s is E phi^2 less an average
over w. ReLU's kink ends the interval of integration. Nothing here knows arccos, arcsin or a determinant.
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from mpmath import erf, exp, linspace, mp, mpf, ncdf, nstr, pi, quad, sqrt

PATH = Path(__file__).with_name("golden_kernels.json")
INPUTS = ((1.0, 0.5), (-0.25, 1.0), (1.5, -0.5))
NOISES = (0.5, 1.0)
# Smoothed slopes grow at most by exp(10 y^2) each at height y, so this step errs by exp(-(16 pi)^2 / 42) = 1e-26.
STEP, REACH = mpf(1) / 8, 88
DIGITS = 30

Map = Callable[[Any], Any]


def density(z: Any) -> Any:
    return exp(-z * z / 2) / sqrt(2 * pi)


def smoothed(activation: str, s: Any) -> tuple[Map, Map]:
    """E phi(u + s e) and E phi'(u + s e), each value computed once."""
    if activation == "relu":
        value, slope = (lambda u: u * ncdf(u / s) + s * density(u / s)), (lambda u: ncdf(u / s))
    else:
        c = 1 / (1 + 2 * s * s)
        value, slope = (lambda u: erf(u * sqrt(c))), (lambda u: 2 * sqrt(c / pi) * exp(-c * u * u))
    return cache(value), cache(slope)


def over_weights(f: Map, x: Any, y: Any) -> Any:
    """The plane's average of f(w.x) f(w.y)."""
    nodes = [STEP * j for j in range(-REACH, REACH + 1)]
    weights = [STEP * density(z) for z in nodes]
    rows = (
        p * sum(q * f(a * x[0] + b * x[1]) * f(a * y[0] + b * y[1]) for b, q in zip(nodes, weights, strict=True))
        for a, p in zip(nodes, weights, strict=True)
    )
    return sum(rows)


def over_pair(activation: str, q: Any, p: Any, c: Any) -> Any:
    """E phi'(U) phi'(U') for Gaussians of variances q, p and covariance c: the inner average is given U."""
    deviation, rest = sqrt(q), p - c * c / q

    def of_step(z: Any) -> Any:
        return density(z) * (ncdf(c / q * deviation * z / sqrt(rest)) if rest else mpf(1))

    def of_bell(z: Any) -> Any:
        return density(z) * exp(-q * z * z) * _damped(c / q * deviation * z, rest)

    return quad(of_step, _split(0)) if activation == "relu" else 4 / pi * quad(of_bell, _split(-12))


def _damped(mean: Any, variance: Any) -> Any:
    """E exp(-V^2), V Gaussian, by the trapezoid rule."""
    nodes = (STEP * j for j in range(-REACH, REACH + 1))
    deviation = sqrt(variance)
    return sum(STEP * density(z) * exp(-((mean + deviation * z) ** 2)) for z in nodes)


def _split(start: int) -> list[Any]:
    # Beyond 12 standard deviations 1e-32 is left.
    return list(linspace(start, 12, 7))


def second_moment(activation: str, q: Any) -> Any:
    """E phi(U)^2."""
    deviation = sqrt(q)
    if activation == "relu":
        return quad(lambda z: density(z) * (deviation * z) ** 2, _split(0))
    return quad(lambda z: density(z) * erf(deviation * z) ** 2, _split(-12))


def tables(activation: str, noise: float) -> dict[str, list[list[str]] | list[str]]:
    s, inputs = mpf(noise), [tuple(map(mpf, x)) for x in INPUTS]
    value, slope = smoothed(activation, s)
    gram = [[x[0] * y[0] + x[1] * y[1] for y in inputs] for x in inputs]
    places = range(len(inputs))
    K1 = [[gram[i][j] * over_weights(slope, inputs[i], inputs[j]) for j in places] for i in places]
    KV = [[over_weights(value, inputs[i], inputs[j]) for j in places] for i in places]
    q = [gram[i][i] + s * s for i in places]
    K2 = [[gram[i][j] * over_pair(activation, q[i], q[j], gram[i][j] + s * s) for j in places] for i in places]
    floor = [second_moment(activation, q[i]) - KV[i][i] for i in places]
    shown = {"K1": K1, "K2": K2, "KV": KV}
    return {k: [[nstr(x, 20) for x in row] for row in v] for k, v in shown.items()} | {
        "V": [nstr(x, 20) for x in floor]
    }


def main() -> int:
    mp.dps = DIGITS
    found = {f"{activation} {s}": tables(activation, s) for activation in ("relu", "erf") for s in NOISES}
    PATH.write_text(json.dumps({"inputs": INPUTS, "kernels": found}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
