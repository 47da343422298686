"""An analysis over a setting of its own, as a user writes it: the square of a number, and one experiment."""

SQUARES = """
from sympy import Le, Sum, Symbol, symbols
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Exact, Experiment, Situation
from elbound.properties.spaces import Linear, Space
from elbound.theory.claim import Claim, Setting

x, y = symbols("x y", positive=True)
SQUARE = Setting("square", "the square of a number", (x,), (y,))


class Squares(Experiment):
    key = "own/squares"
    title = "a square in floating point"
    setting = SQUARE
    space = Space((Linear("x", 0.1, 0.9),))
    instances = {"a half": {"x": 0.5}}

    def situation(self, configuration, context):
        return Situation({x: configuration["x"]})

    def measure(self, configuration, context, fault=""):
        return Exact({y: Interval.around(configuration["x"] ** 2, 1e-15)})


"""
