"""Every experiment measures: with its model broken on purpose, some claim that it serves falls.

An experiment for which nothing falls checks the code against itself. The breaks stand room by room in `broken/`; each
replaces a part of the model in `elbound.impl` from outside, so the experiment has no branch that could know of it.
`broken/falls.json` names the claims that each break must fell, at which instances: one that no longer falls has come to
be measured in a circle, though others of its experiment still fall.
"""

import importlib
import json
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import elbound.properties.meta.broken
from elbound.properties.docket import Brief, docket_of
from elbound.properties.evidence.budget import Budget
from elbound.properties.experiment import Context, Experiment, Measurement, experiments
from elbound.properties.meta.broken.model_break import Break
from elbound.properties.trial import Trial
from elbound.reports.row import Verdict
from elbound.theory.catalogue import catalogue

FALLEN = {Verdict.REFUTED, Verdict.INCONSISTENT}
# Claims that no break fells, and why.
UNBROKEN = {
    "tangent/trained-variances/drift": "formed from the network's own Jacobian, which the solver needs as well: where "
    "it is wrong training comes to no rest, and nothing is measured",
}
BY_KEY = {experiment.key: experiment for experiment in experiments()}


def breaks() -> tuple[Break, ...]:
    """All breaks, found by walking their folder."""
    folder = elbound.properties.meta.broken
    modules = (importlib.import_module(f"{folder.__name__}.{x.name}") for x in pkgutil.iter_modules(folder.__path__))
    return tuple(x for module in modules for x in getattr(module, "BREAKS", ()))


def fallen(experiment: Experiment, instance: str, patches: Mapping[str, Any]) -> set[str]:
    """The claims, findings aside, that fall at an instance, the situation taken before anything is planted."""
    situation = experiment.situation(experiment.instances[instance], Context())
    claims = [x for x in docket_of(Brief("quick")).trying(experiment) if not x.claim.is_finding]
    with planted(patches):  # also while it is judged: samples are drawn then
        trial = Trial(situation, experiment.measure(experiment.instances[instance], Context()), Budget())
        return {x.name for x in claims if trial.judge(x.claim).verdict in FALLEN}


@contextmanager
def planted(patches: Mapping[str, Any]) -> Iterator[None]:
    """Parts of the model are replaced."""
    with pytest.MonkeyPatch.context() as patch:
        for path, wrong in patches.items():
            patch.setattr(path, wrong)
        forget()
        yield


def measured(experiment: Experiment, instance: str, patches: Mapping[str, Any]) -> Measurement:
    """What an experiment measures at an instance, exactly, with parts of the model replaced."""
    with planted(patches):
        return experiment.measure(experiment.instances[instance], Context())


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


FALLS: dict[str, dict[str, dict[str, list[str]]]] = json.loads(
    Path(elbound.properties.meta.broken.__file__).with_name("falls.json").read_text("utf-8")
)
PLACES = [(x, at, names) for x in breaks() for at, names in FALLS[x.experiment][x.mistake].items()]
EVERY_PLACE = pytest.mark.parametrize(
    ("broken", "instance", "claims"), PLACES, ids=[f"{broken} at {instance}" for broken, instance, _ in PLACES]
)


@EVERY_PLACE
def test_the_claims_fall_with_the_model_broken(broken: Break, instance: str, claims: list[str]) -> None:
    assert claims
    assert set(claims) <= fallen(BY_KEY[broken.experiment], instance, broken.patches)


@pytest.mark.parametrize(("key", "instance"), sorted({(broken.experiment, at) for broken, at, _ in PLACES}))
def test_no_claim_falls_with_the_model_right(key: str, instance: str) -> None:
    assert not fallen(BY_KEY[key], instance, {})


@pytest.mark.parametrize("key", BY_KEY)
def test_every_experiment_is_run_with_its_model_broken(key: str) -> None:
    assert {x.mistake for x in breaks() if x.experiment == key} == FALLS[key].keys()
    assert all(x.instance in FALLS[key][x.mistake] for x in breaks() if x.experiment == key)


def test_every_claim_falls_with_some_model_broken() -> None:
    felled = {
        name for mistakes in FALLS.values() for at in mistakes.values() for names in at.values() for name in names
    }
    claims = {listed.name for listed in catalogue() if not listed.claim.is_finding}
    assert claims - felled == UNBROKEN.keys()


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
