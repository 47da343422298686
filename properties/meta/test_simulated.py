"""Configurations that are simulated side by side: nothing moves a bit, and what fails fails alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from elbound.properties.adversary import Effort
from elbound.properties.campaign import Bench
from elbound.properties.docket import Brief, docket_of
from elbound.properties.experiment import Context, Experiment, experiments
from elbound.properties.experiments.clipped_linear_vae import CLIPPED_RUN
from elbound.properties.experiments.linear_vae_runs import Planned
from elbound.properties.simulated import WIDEST, Simulated
from elbound.properties.spaces import Configuration

SIMULATED = [x for x in experiments() if isinstance(x, Simulated)]
# One shape, but for the third; the instances differ from one another in nearly everything.
MOVED: list[dict[str, Any]] = [{}, {"n": 9, "seed": 3}, {"B": 2}, {"law": "uniform", "replacement": False, "N": 12}]


def numbers(drawn: Mapping[Any, Any]) -> list[np.ndarray]:
    """All that was drawn, observable by observable."""
    curves = [drawn[symbol] for symbol in sorted(drawn, key=str)]
    return [
        np.asarray(x) for curve in curves for x in ([curve.rows] if hasattr(curve, "rows") else curve.values.values())
    ]


def generation_of(experiment: Experiment) -> list[Configuration]:
    first = next(iter(experiment.instances.values()))
    return [{**first, "n": 12, **moved} for moved in MOVED]


@pytest.mark.parametrize("experiment", SIMULATED, ids=lambda x: x.key)
@pytest.mark.parametrize("order", [1, -1])
def test_what_is_drawn_in_company_is_drawn_alone_to_the_last_bit(experiment: Simulated[Any], order: int) -> None:
    configurations, context = generation_of(experiment), Context()
    together = [way() for way in experiment.generation(configurations, context)]
    for configuration, sample in [*zip(configurations, together, strict=True)][::order]:
        alone = experiment.measure(configuration, context)
        for stage, first, count in (("screen", 0, 64), ("screen", 64, 8), ("confirm", 0, 8)):
            pairs = zip(
                numbers(sample.draw(stage, first, count)), numbers(alone.draw(stage, first, count)), strict=True
            )
            assert all(np.array_equal(one, other) for one, other in pairs)
        assert repr(sample.ranges) == repr(alone.ranges)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many configurations each simulation held, from here on."""
    widths: list[int] = []
    draw = type(CLIPPED_RUN).draw

    def noted(self: Any, plans: Sequence[Planned], *given: Any) -> Any:
        widths.append(len(plans))
        return draw(self, plans, *given)

    monkeypatch.setattr(type(CLIPPED_RUN), "draw", noted)
    return widths


def test_one_look_serves_all_of_a_shape_and_confirmation_is_drawn_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = counted(monkeypatch)
    samples = [way() for way in CLIPPED_RUN.generation(generation_of(CLIPPED_RUN), Context())]
    for sample in samples:
        sample.draw("screen", 0, 4)
    assert sorted(widths) == [1, 3]
    samples[0].draw("confirm", 0, 4)
    assert widths[-1] == 1
    many = [{**CLIPPED_RUN.instances["spiked, B=K=1"], "n": 2, "seed": j} for j in range(WIDEST + 3)]
    widths.clear()
    for way in CLIPPED_RUN.generation(many, Context()):
        way().draw("screen", 0, 4)
    assert widths == [WIDEST, 3]


def test_what_cannot_be_planned_fails_alone() -> None:
    good, bad = generation_of(CLIPPED_RUN)[0], {**generation_of(CLIPPED_RUN)[0], "sigma_x2": -1.0}
    ways: list[Callable[[], Any]] = list(CLIPPED_RUN.generation([good, bad, good], Context()))
    alone = numbers(CLIPPED_RUN.measure(good, Context()).draw("screen", 0, 4))
    for j in (0, 2):
        assert all(np.array_equal(*pair) for pair in zip(numbers(ways[j]().draw("screen", 0, 4)), alone, strict=True))
    with pytest.raises(ValueError, match="noise_variance is -1"):
        ways[1]().draw("screen", 0, 4)


def test_an_adversary_finds_the_same_rows_with_generations_and_without(monkeypatch: pytest.MonkeyPatch) -> None:
    brief = Brief(patterns=("descent/sgd-linear-vae-clipped/gap",))

    def rows() -> list[str]:
        bench = Bench(brief, docket_of(brief), CLIPPED_RUN)
        bench.adversary(Effort(20))
        return [repr(replace(row, seconds=0.0)) for row in bench.finished()]

    widths = counted(monkeypatch)
    together = rows()
    assert max(widths) > 1
    monkeypatch.setattr(Simulated, "generation", Experiment.generation)
    widths.clear()
    assert rows() == together
    assert max(widths) == 1
