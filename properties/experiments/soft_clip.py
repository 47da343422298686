"""The generalised soft-clip: enclosed suprema of its derivatives, and the implementation at chosen points."""

from typing import Any

import torch

from elbound.impl.soft_clipping import SoftClip
from elbound.properties.evidence.enclosure import best, supremum
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.spaces import Configuration, Logarithmic, Space
from elbound.theory.settings import SOFT_CLIP
from elbound.theory.symbols import T, curvature_sup, drop, reach, rise, s, slope_inf, slope_sup

# Beyond this many units of 1/s outside the range both derivatives fall monotonically, below e^-45 of their largest.
TAIL = 45.0
WIDTH = 1e-11
# impl.soft_clipping states 4 units in the last place of max(|low|, |high|, 1/s) for values.
VALUE_ERROR = 8 * 2.0**-53


class SoftClipShape(Experiment):
    """Soft-clips on (-T/2, T/2), sharpness s; the slope is a difference of two logistic functions."""

    key = "smoothness/soft-clip"
    title = "suprema by ball arithmetic"
    setting = SOFT_CLIP
    space = Space((Logarithmic("s", 0.1, 20.0), Logarithmic("T", 0.1, 20.0), Logarithmic("distance", 1e-3, 100.0)))
    instances = {
        "sT = 1": {"s": 1.0, "T": 1.0, "distance": 0.5},
        "sT = 4": {"s": 2.0, "T": 2.0, "distance": 0.5},
        "sT = 16": {"s": 4.0, "T": 4.0, "distance": 1.0},
        "paper A's code: s = 5 on (0, 50)": {"s": 5.0, "T": 50.0, "distance": 3.0},
    }
    faults = {"softplus of double sharpness": "sT = 4"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        return Situation({s: float(configuration["s"]), T: float(configuration["T"])}, precision=0.0)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        sharpness, width, x = (float(configuration[name]) for name in ("s", "T", "distance"))
        clip = SoftClip(-width / 2, width / 2, sharpness * (2 if fault else 1))
        error = VALUE_ERROR * max(width / 2, 1 / clip.sharpness)
        places = torch.tensor([x, -x, width + 800 / sharpness, -width - 800 / sharpness], dtype=torch.float64)
        right, left, *far = clip.value(places).tolist()
        farthest = max(map(abs, far))
        return Exact(
            {
                slope_sup: _supremum(clip, _slope),
                curvature_sup: _supremum(clip, _curvature),
                slope_inf: Interval.of(float(clip.slope(places).min())) * Interval.around(1.0, VALUE_ERROR),
                reach: Interval.around(farthest, error),
                rise: Interval.around(right, error) + width / 2,
                drop: width / 2 - Interval.around(left, error),
            },
            basis="enclosure",
        )


def _supremum(clip: SoftClip, function: Any) -> Interval:
    arithmetic = best()
    edge = clip.high + TAIL / clip.sharpness
    found = supremum(lambda x: function(clip, arithmetic, x), -edge, 0.0, WIDTH, arithmetic)
    return Interval.between(found.low, found.high)


def _logistics(clip: SoftClip, arithmetic: Any, x: Any) -> tuple[Any, list[Any]]:
    sharpness, half = arithmetic.hull(clip.sharpness, clip.sharpness), arithmetic.hull(clip.high, clip.high)
    return sharpness, [1 / (1 + arithmetic.exp(-(sharpness * y))) for y in (x + half, x - half)]


def _slope(clip: SoftClip, arithmetic: Any, x: Any) -> tuple[Any, Any]:
    """f' = S(s (x - low)) - S(s (x - high)) and f''; f' is even and falls away from 0, so x <= 0 is enough."""
    sharpness, (p, q) = _logistics(clip, arithmetic, x)
    return p - q, sharpness * (p * (1 - p) - q * (1 - q))


def _curvature(clip: SoftClip, arithmetic: Any, x: Any) -> tuple[Any, Any]:
    """f'' and f'''; f'' is odd, and positive for x < 0."""
    sharpness, (p, q) = _logistics(clip, arithmetic, x)
    bend = p * (1 - p) * (1 - 2 * p) - q * (1 - q) * (1 - 2 * q)
    return sharpness * (p * (1 - p) - q * (1 - q)), sharpness**2 * bend


SOFT_CLIP_SHAPE = SoftClipShape()
