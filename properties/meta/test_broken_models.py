"""Every experiment measures: with its model broken on purpose, some claim that it serves falls.

An experiment for which nothing falls checks the code against itself. The breaks stand room by room in `broken/`; each
replaces a part of the model in `elbound.impl` from outside, so the experiment has no branch that could know of it.
"""

import importlib
import pkgutil
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

import elbound.properties.meta.broken
from elbound.properties.docket import Brief, docket_of
from elbound.properties.evidence.budget import Budget
from elbound.properties.experiment import Context, Experiment, experiments
from elbound.properties.meta.broken.model_break import Break
from elbound.properties.trial import Trial
from elbound.reports.row import Verdict

FALLEN = {Verdict.REFUTED, Verdict.INCONSISTENT}
BY_KEY = {experiment.key: experiment for experiment in experiments()}


def breaks() -> tuple[Break, ...]:
    """All breaks, found by walking their folder."""
    folder = elbound.properties.meta.broken
    modules = (importlib.import_module(f"{folder.__name__}.{x.name}") for x in pkgutil.iter_modules(folder.__path__))
    return tuple(x for module in modules for x in getattr(module, "BREAKS", ()))


def judged(experiment: Experiment, instance: str, planted: pytest.MonkeyPatch | None, broken: Break) -> set[str]:
    """The claims, findings aside, that fall at an instance, the situation taken before anything is planted."""
    configuration, context = experiment.instances[instance], Context()
    situation = experiment.situation(configuration, context)
    if planted is not None:
        for path, wrong in broken.patches.items():
            planted.setattr(path, wrong)
    forget()
    trial = Trial(situation, experiment.measure(configuration, context), Budget())
    claims = [x for x in docket_of(Brief("quick")).trying(experiment) if not x.claim.is_finding]
    return {x.name for x in claims if trial.judge(x.claim).verdict in FALLEN}


def forget() -> None:
    """Empties the caches of the model's and the experiments' modules: what they hold was not made by this model."""
    for name, module in list(sys.modules.items()):
        if name.startswith(("elbound.impl", "elbound.properties.experiments")):
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


@pytest.fixture(autouse=True)
def _caches_of_one_model() -> Iterator[None]:
    yield
    forget()


@pytest.mark.parametrize("broken", breaks(), ids=str)
def test_some_claim_falls_with_the_model_broken(broken: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(BY_KEY[broken.experiment], broken.instance, monkeypatch, broken)


@pytest.mark.parametrize("broken", breaks(), ids=str)
def test_no_claim_falls_with_the_model_right(broken: Break) -> None:
    assert not judged(BY_KEY[broken.experiment], broken.instance, None, broken)


@pytest.mark.parametrize("key", BY_KEY)
def test_every_experiment_is_run_with_its_model_broken(key: str) -> None:
    assert Counter(x.experiment for x in breaks())[key] > 0


@pytest.mark.parametrize("broken", breaks(), ids=str)
def test_a_break_replaces_a_part_of_the_model_and_not_of_the_measuring(broken: Break) -> None:
    for path in broken.patches:
        assert defined_in(path).startswith("elbound.impl")


def defined_in(path: str) -> str:
    """The module that defines what a dotted path leads to."""
    parts = path.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for name in parts[cut:]:
            found = getattr(found, name)
        found = getattr(found, "fget", None) or getattr(found, "func", None) or found
        return str(getattr(found, "__module__", type(found).__module__))
    raise LookupError(path)
