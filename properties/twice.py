"""Whether an experiment is a function of its configuration: one configuration is measured more than once.

Again in the same process, where a clock or an unseeded generator shows, and for a user's own experiment once in another
interpreter, where text has other hashes. What differs there would differ in every replay.
"""

import contextlib
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final

from elbound.properties.analysis import FAILURES
from elbound.properties.docket import Brief, docket_of
from elbound.properties.evidence.budget import Budget
from elbound.properties.experiment import Experiment
from elbound.properties.slips import raised
from elbound.properties.spaces import Configuration
from elbound.properties.trial import Trial
from elbound.theory.catalogue import Listed

HASH_SEED: Final = "PYTHONHASHSEED"
# Seconds for another interpreter to start; the measurement itself is known to come to an end.
STARTING: Final = 120.0

Seen = dict[str, str]
RAISES: Final = "what it raises"


def seen_in(trial: Trial, claims: Sequence[Listed]) -> Seen:
    """What one measurement says, to the last bit: the parameters, the facts, and both sides of every claim on it."""
    at = trial.situation
    found = {f"parameter {name}": repr(value) for name, value in at.plain.items()}
    found["which facts hold"] = repr(sorted(map(str, at.facts)))
    for listed in claims:
        if trial.measurement is not None and not listed.claim.broken_assumption(at.values, at.facts):
            # Whatever stands in the way is said where the claim is judged.
            with contextlib.suppress(Exception, SystemExit):
                found[f"a side of {listed.name}"] = repr(trial.sides(listed.claim))
    return found


def difference(first: Seen, second: Seen) -> str:
    """What differs first, in words; empty where nothing does."""
    if RAISES in second:
        return f"it raises {second[RAISES]}"
    return next((f"{name} differs" for name in {**first, **second} if first.get(name) != second.get(name)), "")


def elsewhere(brief: Brief, experiment: Experiment, configuration: Configuration) -> Seen | None:
    """What another interpreter sees there; None where it does not come to an end."""
    with _other_hashes(), contextlib.suppress(TimeoutError, BrokenProcessPool):
        pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        try:
            return pool.submit(_seen, brief, experiment.key, configuration).result(STARTING + brief.limit)
        finally:
            for process in list((pool._processes or {}).values()):
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
    return None


def _seen(brief: Brief, key: str, configuration: Mapping[str, float | int | str]) -> Seen:
    try:
        docket = docket_of(brief)
        experiment = next(x for x in docket.experiments if x.key == key)
        situation = experiment.situation(dict(configuration), brief.context)
        trial = Trial(situation, experiment.measure(dict(configuration), brief.context), Budget())
        return seen_in(trial, docket.trying(experiment))
    except FAILURES as failure:  # a user's experiment may raise anything, elsewhere alone too
        return {RAISES: raised(failure)}


@contextlib.contextmanager
def _other_hashes() -> Iterator[None]:
    before = os.environ.get(HASH_SEED)
    os.environ[HASH_SEED] = "2" if before == "1" else "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[HASH_SEED]
        else:
            os.environ[HASH_SEED] = before
