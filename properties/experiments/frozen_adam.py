"""Adam held at one decoder offset of a Linear VAE with one data point per gradient: its mean step, computed exactly.

The decoder's weights are zero, so the offset c of one coordinate has the gradient (c - x) / sigma_x2, x drawn from the
data, and the gradients of a frozen c are independent draws of one finite law.
"""

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from elbound.impl.frozen_drift import Enclosed, GradientLaw, drift_root, frozen_drift
from elbound.impl.optimisers import Adam, Timing
from elbound.properties.datasets import table
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.spaces import Choice, Configuration, Count, Logarithmic, LogarithmicCount, Scalar, Space
from elbound.theory.settings import ADAM_DRIFT
from elbound.theory.symbols import beta_1, beta_2, drift, g_2, g_3, g_4, g_5, reg, rest, rest_past

EPS = 2.0**-53
# Coordinates of the data among which one that varies is taken.
COLUMNS = 16
# Five data of mean zero without skewness that are not balanced: E x^5 = -2520.
NOT_SKEWED = (-9, -5, -1, 7, 8)


@dataclass(frozen=True)
class FrozenProblem:
    """Gradient values at the minimiser as rational numbers, how often each occurs, and the optimiser.

    The regulariser is "reg" deviations of the gradient, "reg" itself where all data are equal and gradients zero.
    """

    counts: dict[Fraction, int]
    adam: Adam

    @staticmethod
    def of(configuration: Configuration, context: Context, timing: Timing = Timing.CURRENT) -> "FrozenProblem":
        c: Any = configuration
        if c["data"] == "two-valued":
            ones = min(c["ones"], c["N"] - 1)
            points = [Fraction(1)] * ones + [Fraction(0)] * (c["N"] - ones)
        elif c["data"] == "not skewed":
            # Gradients are the mean less the data.
            points = [Fraction(-x) for x in NOT_SKEWED]
        else:
            columns = table(context, c["data"], c["N"], COLUMNS, c["seed"]).T
            # A pixel may be blank in all of a few images; the first that is not.
            varying = [x for x in columns if len(x.unique()) > 1] or [columns[0]]
            points = [Fraction(float(x)) for x in varying[0]]
        mean, scale = sum(points, Fraction(0)) / len(points), Fraction(float(c["sigma_x2"]))
        counts = Counter((mean - x) / scale for x in points)
        deviation = float(sum((g**2 * k for g, k in counts.items()), Fraction(0)) / len(points)) ** 0.5
        adam = Adam(
            step_size=1.0,
            beta_1=c["beta_1"],
            beta_2=1 - c["1 - beta_2"],
            regulariser=c["reg"] * (deviation or 1.0),
            timing=timing,
        )
        return FrozenProblem(dict(counts), adam)

    @property
    def law(self) -> GradientLaw:
        total = sum(self.counts.values())
        return GradientLaw(tuple(map(float, self.counts)), tuple(k / total for k in self.counts.values()))

    def moment(self, order: int) -> float:
        """E g^order at the minimiser, rounded once."""
        return float(sum((g**order * k for g, k in self.counts.items()), Fraction(0)) / sum(self.counts.values()))

    @property
    def fifth_absolute_moment(self) -> float:
        """E |g|^5 at the minimiser, rounded once."""
        return float(sum((abs(g) ** 5 * k for g, k in self.counts.items()), Fraction(0)) / sum(self.counts.values()))


class FrozenAdam(Experiment):
    """The mean step at the minimiser, and the gradient at rest for current and for past preconditioners."""

    key = "descent/frozen-adam"
    title = "exact stationary law of the moments"
    setting = ADAM_DRIFT
    share = 0.3
    space = Space(
        (
            Choice("data", ("two-valued", "digits", "spiked")),
            Count("N", 3, 12),
            LogarithmicCount("ones", 1, 10),
            Choice("beta_1", (0.0, 0.5, 0.9, 0.99)),
            Logarithmic("1 - beta_2", 0.006, 0.9),
            Logarithmic("reg", 1e-3, 1e3, usual=(0.05, 2.0)),
            Logarithmic("sigma_x2", 1e-3, 1e3, usual=(0.05, 5.0)),
            Count("seed", 0, 2**16),
        )
    )
    _rare: ClassVar[dict[str, Scalar]] = {
        "data": "two-valued",
        "N": 10,
        "ones": 1,
        "beta_1": 0.0,
        "1 - beta_2": 0.01,
        "reg": 0.05,
        "sigma_x2": 1.0,
        "seed": 3,
    }
    instances = {
        "one in ten, beta_2 = 0.99": _rare,
        "one in ten, beta_2 = 0.9": _rare | {"1 - beta_2": 0.1},
        "all data alike, which is outside": _rare | {"ones": 0},
        "one in ten, beta = (0.9, 0.99)": _rare | {"beta_1": 0.9},
        "one in four, beta = (0.99, 0.99)": _rare | {"N": 4, "beta_1": 0.99},
        "one in four, regulariser as large as the gradients": _rare | {"N": 4, "reg": 1.0},
        "one pixel of digits, beta = (0.9, 0.99)": _rare | {"data": "digits", "N": 6, "beta_1": 0.9, "reg": 0.3},
        "no skewness, not balanced, beta_2 = 0.99": _rare | {"data": "not skewed", "N": 5, "reg": 0.001},
        "no skewness, momentum": _rare | {"data": "not skewed", "N": 5, "reg": 0.001, "beta_1": 0.9},
        "balanced": _rare | {"N": 2, "ones": 1},
    }
    faults = {
        "past gradients for current ones": "one in ten, beta_2 = 0.99",
        "momentum left out": "one in four, beta = (0.99, 0.99)",
    }

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem = FrozenProblem.of(configuration, context)
        values = {
            beta_1: problem.adam.beta_1,
            beta_2: problem.adam.beta_2,
            reg: problem.adam.regulariser,
            g_2: problem.moment(2),
            g_3: problem.moment(3),
            g_4: problem.moment(4),
            g_5: problem.fifth_absolute_moment,
        }
        return Situation(values, precision=2.0**-50)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        c: Any = configuration
        if fault == "momentum left out":
            c = {**c, "beta_1": 0.0}
        timing = Timing.PAST if fault == "past gradients for current ones" else Timing.CURRENT
        current = FrozenProblem.of(c, context, timing)
        past = FrozenProblem.of(c, context, Timing.PAST)
        return Exact(
            {
                drift: _interval(frozen_drift(current.adam, current.law), _rounded(current)),
                rest: _interval(drift_root(current.adam, current.law)),
                rest_past: _interval(drift_root(past.adam, past.law)),
            }
        )


def _rounded(problem: FrozenProblem) -> float:
    """What rounding the gradients to doubles moves: |dm| / reg + |m| |dv| / (2 reg^3), both relative 2^-52."""
    share = max(map(abs, problem.law.values)) / problem.adam.regulariser
    return 4 * EPS * (share + share**3)


def _interval(found: Enclosed, rounded: float = 0.0) -> Interval:
    return Interval.around(found.value, found.error + rounded)


FROZEN_ADAM = FrozenAdam()
