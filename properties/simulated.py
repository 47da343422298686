"""Experiments that simulate: several configurations of one shape side by side, each to the bit what it is alone."""

from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any, Final, Generic, TypeVar

from elbound.properties.analysis import FAILURES
from elbound.properties.experiment import Context, Experiment, Sample
from elbound.properties.spaces import Configuration

Plan = TypeVar("Plan")
Draw = Callable[[str, int, int], Mapping[Any, Any]]

# Configurations simulated at once: a generation of the adversary, whose paths fit in memory.
WIDEST: Final = 8


class Simulated(Experiment, Generic[Plan]):
    """An experiment that draws replicates; a plan is what a configuration simulates."""

    @abstractmethod
    def plan(self, configuration: Configuration, context: Context) -> Plan:
        """What is simulated, by the configuration alone. ValueError for values out of range."""

    @abstractmethod
    def shape(self, plan: Plan) -> Hashable:
        """What plans must share to be simulated side by side."""

    @abstractmethod
    def draw(
        self, plans: Sequence[Plan], context: Context, stage: str, replicates: tuple[int, int], fault: str = ""
    ) -> Sequence[Mapping[Any, Any]]:
        """The observables of replicates (first, count) for plans of one shape, each a function of its own plan.

        They are computed on the context's device.
        """

    @abstractmethod
    def sample(self, plan: Plan, draw: Draw) -> Sample:
        """The measurement, given how to draw: the sure ranges and declared tails."""

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Sample:
        plan = self.plan(configuration, context)

        def draw(stage: str, first: int, count: int) -> Mapping[Any, Any]:
            return self.draw([plan], context, stage, (first, count), fault)[0]

        return replace(self.sample(plan, draw), device=context.device)

    def generation(self, configurations: Sequence[Configuration], context: Context) -> list[Callable[[], Sample]]:
        together = _Together(self, configurations, context)
        return [partial(together.sample, j) for j in range(len(configurations))]


class _Together(Generic[Plan]):
    """Configurations of which the first look draws all of one shape as soon as one is asked for its own."""

    def __init__(self, experiment: Simulated[Plan], configurations: Sequence[Configuration], context: Context) -> None:
        self._experiment, self._context = experiment, context
        self._plans = [cache(partial(experiment.plan, x, context)) for x in configurations]
        self._waiting = list(range(len(configurations)))
        self._known: dict[tuple[int, int], Mapping[Any, Any]] = {}

    def sample(self, j: int) -> Sample:
        sample = self._experiment.sample(self._plans[j](), partial(self._drawn, j))
        return replace(sample, device=self._context.device)

    def _drawn(self, j: int, stage: str, first: int, count: int) -> Mapping[Any, Any]:
        # Few configurations are looked at again, and not all of a shape.
        alone = (stage, first) != ("screen", 0)
        if alone or (j, count) not in self._known:
            group = [j] if alone else self._group(j)
            plans = [self._plans[i]() for i in group]
            found = self._experiment.draw(plans, self._context, stage, (first, count))
            if alone:
                return found[0]
            self._known |= {(i, count): x for i, x in zip(group, found, strict=True)}
            self._waiting = [i for i in self._waiting if i not in group]
        return self._known.pop((j, count))

    def _group(self, j: int) -> list[int]:
        return [j, *(i for i in self._waiting if i != j and self._alike(i, j))][:WIDEST]

    def _alike(self, i: int, j: int) -> bool:
        try:
            return self._experiment.shape(self._plans[i]()) == self._experiment.shape(self._plans[j]())
        except FAILURES:  # what cannot be planned says so when it is asked for
            return False
