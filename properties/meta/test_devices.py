"""The device on a row is where its measurement was computed, whatever device the run asked for.

Torch's meta device stands for one that is not the CPU: tensors there hold no numbers, so whoever computes there fails,
and whoever does not is not disturbed. The name cpu:0 is another one for the CPU: it shows what a measurement says.
"""

from io import StringIO

import pytest
from rich.console import Console

from elbound.properties.campaign import Task, replayed, run_task
from elbound.properties.docket import Brief
from elbound.properties.experiment import Context, Experiment, Sample, experiments
from elbound.properties.meta import synthetic
from elbound.reports.render.page import page
from elbound.reports.summary import summarise
from elbound.reports.table import show

EXPERIMENTS = pytest.mark.parametrize("experiment", experiments(), ids=lambda x: x.key)


def computes_on(experiment: Experiment, device: str) -> str:
    """What the measurement on the first instance says of its device, once two replicates of a sample are drawn."""
    found = experiment.measure(next(iter(experiment.instances.values())), Context(device=device))
    if isinstance(found, Sample):
        found.draw("screen", 0, 2)
    return found.device


def fails_without_numbers(experiment: Experiment) -> bool:
    """Whether measuring on the meta device fails, of that device and nothing else."""
    try:
        computes_on(experiment, "meta")
    except (NotImplementedError, RuntimeError) as failure:
        if "meta" not in str(failure).lower():
            raise
        return True
    return False


@EXPERIMENTS
def test_a_measurement_says_that_it_ran_elsewhere_if_and_only_if_it_did(experiment: Experiment) -> None:
    assert computes_on(experiment, "cpu:0") == ("cpu:0" if fails_without_numbers(experiment) else "cpu")


def test_some_experiments_do_honour_the_device() -> None:
    assert [x.key for x in experiments() if x.key == "tangent/kernel-entry" and computes_on(x, "cpu:0") == "cpu:0"]


@pytest.mark.parametrize(("key", "device"), [("tangent/kernel-entry", "cpu:0"), ("smoothness/soft-clip", "cpu")])
def test_rows_carry_the_device_of_their_measurement(key: str, device: str) -> None:
    brief = Brief("quick", context=Context(device="cpu:0"))
    rows = [row for row in run_task(brief, Task(key, "instances")).rows if row.judged]
    assert {row.device for row in rows} == {device}
    assert {bool(row.version) for row in rows} == {True, False}
    row = next(row for row in rows if not row.version)
    assert replayed(brief, row).device == device


def test_what_did_not_run_on_the_device_asked_for_is_told_in_summary_terminal_and_page() -> None:
    rows, entries = synthetic.clean()
    rows = [*rows, *(synthetic.row("descent/sgd-sharp", j, device="cuda", experiment="on/cuda") for j in range(70, 73))]
    run = {**synthetic.RUN, "device": "cuda"}
    summary = summarise(rows, entries, run)
    assert summary["run"]["elsewhere"] == {"cpu": ["quadratic"]}
    told = StringIO()
    show(summary, Console(file=told, width=110), "index.html")
    assert "Ran on the CPU, not on cuda: quadratic" in told.getvalue()
    assert "Ran on the CPU, not on cuda</dt><dd>quadratic</dd>" in page(rows, entries, run)
    alone = summarise(rows, entries, {**run, "device": "cpu"})
    assert alone["run"]["elsewhere"] == {"cuda": ["on/cuda"]}
    assert summarise(rows[:40], entries, {**run, "device": "cpu"})["run"]["elsewhere"] == {}
    assert "Ran on" not in page(rows[:40], entries, {**run, "device": "cpu"})
