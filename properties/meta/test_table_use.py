"""A run on a user's table says what it read, which configurations used which part of it, and which claims could not."""

import json
from pathlib import Path

import numpy as np
import pytest

from elbound.impl.user_table import UserData, read
from elbound.properties.cli import main
from elbound.properties.datasets import part_used, takes_data, user_option
from elbound.properties.experiment import Context, Experiment, experiments
from elbound.reports.table_use import told, use_of

TAKING = [experiment for experiment in experiments() if takes_data(experiment)]


@pytest.fixture
def data(tmp_path: Path) -> UserData:
    values = np.random.default_rng(8).normal(size=(12, 5)) * [1.0, 0.0, 3.0, 2.0, 0.5]
    np.savetxt(tmp_path / "mine.csv", values, delimiter=";", header="a;b;c;e;f", comments="")
    return read(tmp_path / "mine.csv")


@pytest.mark.parametrize("experiment", TAKING, ids=lambda experiment: experiment.key)
def test_every_experiment_on_data_uses_a_part_of_the_table(experiment: Experiment, data: UserData) -> None:
    context = Context(user_data=data)
    named = [x for x in experiment.instances.values() if "data" in x]
    rows, columns = max(part_used(experiment, {**x, "data": user_option(context)}, context) for x in named)
    assert 1 <= rows <= 12
    assert 1 <= columns <= 4
    assert part_used(experiment, named[0], context) == (0, 0)


@pytest.mark.parametrize("experiment", [x for x in experiments() if x not in TAKING], ids=lambda x: x.key)
def test_other_experiments_have_no_configuration_that_names_data(experiment: Experiment) -> None:
    assert not any("data" in configuration for configuration in experiment.instances.values())


def test_a_run_says_what_it_made_of_the_table(
    data: UserData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("smoothness/linear-vae-ball", "smoothness/soft-clipping*", "--profile", "quick", "--workers", "1")
    folder = ("--output", str(tmp_path / "run"), "--data", str(tmp_path / "mine.csv"))
    assert main(["verify", *words, *folder]) == 0
    said = " ".join(capsys.readouterr().out.split())
    use = json.loads((tmp_path / "run" / "summary.json").read_text())["run"]["table"]
    assert (use["name"], use["rows"], use["columns"]) == (data.name, 12, ["c", "e", "a", "f"])
    assert use["notes"] == ["semicolons separate its columns", "constant and left out: b"]
    assert "smoothness/soft-clipping/slope" in use["without"]
    assert "smoothness/linear-vae-ball" not in use["without"]
    assert 0 < use["used"] < use["configurations"]
    page = (tmp_path / "run" / "index.html").read_text()
    assert "constant and left out: b" in page
    for line in told(use):
        assert " ".join(line.split()) in said


def test_a_table_that_nothing_used_is_said_to_be_unused() -> None:
    table = {"name": "t", "rows": 3, "columns": ("a",), "notes": (), "without": ("x",)}
    use = use_of(table, [])
    assert use is not None
    assert told(use) == [
        "Your table t: 3 rows, 1 columns.",
        "None of 0 configurations used it.",
        "These claims take no data: x.",
    ]
    assert use_of(None, []) is None
