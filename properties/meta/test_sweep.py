"""The command `elbound sweep`: its settings and refusals, its record, table and page, and its place in the report."""

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from rich.console import Console

from elbound.impl.optimisers import Adam
from elbound.impl.soft_clipping import SoftClip
from elbound.impl.training import Descent
from elbound.impl.user_table import read
from elbound.properties.cli import main
from elbound.properties.hyperparameters import HYPERPARAMETERS, RELU, SWEEPS
from elbound.properties.meta import synthetic
from elbound.properties.meta.test_page import Reader
from elbound.properties.sweep import Choice, Prepared, Size, halves, prepared, settings_of
from elbound.reports.render.page import page
from elbound.reports.render.sweep_page import sweep_page, write_sweep
from elbound.reports.sweep import ALWAYS, WEIGHTED, Sweep, figures, sweep_table, sweeps_in

SMALL = Size(data_dim=4, rows=64, width=3, records=4, intervals=16)
CPU = torch.device("cpu")
FEW = {"steps": 8, "replicates": 3, "batch_size": 4}


def small(name: str, values: str | None = None, size: Size = SMALL, **given: Any) -> Sweep:
    short = {field: value for field, value in FEW.items() if field != SWEEPS[name].field}
    return prepared(name, settings_of(name, values, short | given), CPU, size=size).run()


@pytest.fixture(scope="module", params=SWEEPS)
def each(request: pytest.FixtureRequest) -> Sweep:
    return small(request.param)


def test_a_sweep_has_a_line_for_each_setting_with_ordered_bands(each: Sweep) -> None:
    assert [line.title for line in each.lines] == list(settings_of(each.name, None, {}))
    for line in each.lines:
        assert line.steps == (1, 2, 4, 8)
        assert line.bands.keys() == ({*ALWAYS, *WEIGHTED} if each.name == "samples" else {*ALWAYS})
        for band in line.bands.values():
            assert len(band.mean) == len(band.low) == len(band.high) == 4
        assert min(line.bands["squared gradient"].low) > 0


def test_a_sweep_says_the_same_twice_and_its_record_is_read_back_to_the_last_bit(each: Sweep, tmp_path: Path) -> None:
    again = small(each.name)
    assert again == each
    write_sweep(each, tmp_path)
    assert sweeps_in(tmp_path) == [each]
    assert (tmp_path / f"sweep-{each.name}.html").read_text(encoding="utf-8") == sweep_page(again)


def test_settings_of_one_sweep_differ_in_what_they_name_and_in_nothing_else() -> None:
    for name, swept in SWEEPS.items():
        given = {"beta_2": 0.5}
        for text, (title, choice) in zip(swept.swept, settings_of(name, None, given).items(), strict=True):
            value = swept.read(text)
            assert getattr(choice, swept.field) == value
            assert choice == Choice(**{swept.field: value}, **given)  # type: ignore[arg-type]
            assert title == swept.title(value)
    assert Choice(sharpness=RELU).activations != Choice().activations


def test_every_option_reaches_the_run() -> None:
    given: dict[str, Any] = {"beta": 0.5, "depth": 2, "optimiser": "sgd", "step_size": 0.25}
    given |= {"steps": 3, "replicates": 2, "draws": 3}
    (choice,) = settings_of("batch-size", "7", given).values()
    (job,) = prepared("batch-size", {"only": choice}, CPU, size=SMALL).jobs
    assert (job.problem.beta, job.problem.architecture.widths) == (0.5, (3, 3))
    assert (job.plan.steps, job.plan.batch_size, job.plan.noises, job.replicates) == (3, 7, 3, 2)
    assert job.plan.optimiser == Descent(0.25)
    given = {"beta_1": 0.3, "beta_2": 0.4, "samples": 5, "sharpness": 2.5}
    (choice,) = settings_of("optimiser", "adam", given).values()
    (job,) = prepared("optimiser", {"only": choice}, CPU, size=SMALL).jobs
    assert isinstance(job.plan.optimiser, Adam)
    assert (job.plan.optimiser.beta_1, job.plan.optimiser.beta_2) == (0.3, 0.4)
    assert (job.plan.samples, job.plan.noises) == (5, 5)
    assert job.problem.architecture.hidden == SoftClip(0.0, 50.0, 2.5)


def test_importance_samples_and_averaged_draws_are_told_apart() -> None:
    """Four averaged draws leave the objective and its true gradient alone; four importance samples change both."""
    fine = replace(SMALL, intervals=128)
    options: dict[str, Any] = {"size": fine, "step_size": 1e-9, "optimiser": "sgd", "steps": 1, "replicates": 2}
    one, averaged = small("draws", "1,4", **options).lines
    alone, weighted = small("samples", "1,4", **options).lines
    first = one.last("squared gradient")
    assert averaged.last("squared gradient") == pytest.approx(first, rel=1e-6)  # one step of 1e-9
    assert alone.last("squared gradient") == pytest.approx(first, rel=1e-6 + one.moved + alone.moved)
    assert abs(weighted.last("squared gradient") / first - 1) > 0.05
    assert weighted.last("logged bound") < weighted.last("test bound") < weighted.last("test loss")


def test_the_users_table_is_brought_to_the_unit_interval_and_halved(tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.array([[1.0, -5], [3, 5], [2, 0], [2, 1], [1, 2]]))
    data = read(tmp_path / "mine.npy")
    train, test = halves(SMALL, data, CPU)
    assert (train.shape, test.shape) == ((3, 2), (2, 2))
    both = torch.cat((train, test))
    assert (float(both.min()), float(both.max())) == (0.0, 1.0)
    found = prepared("beta", settings_of("beta", "1", {"batch_size": 2, "steps": 2}), CPU, data, SMALL)
    assert found.facts["data"] == "mine"
    assert found.run().lines[0].last("squared gradient") > 0


def test_the_table_shows_true_and_logged_gradients_of_every_setting(
    each: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    Console(width=110).print(sweep_table(each))
    shown = capsys.readouterr().out.splitlines()
    for line in each.lines:
        (row,) = [text for text in shown if text.startswith(f"{line.title} ")]
        true, logged = line.last("squared gradient"), line.last("logged square")
        names = ["test loss", *(name for name in WEIGHTED if name in line.bands)]
        for value in (true, logged, logged / true, *map(line.last, names)):
            assert f"{value:.4g}" in row


def test_the_page_stands_alone_and_draws_all_settings_in_one_figure_for_each_quantity(each: Sweep) -> None:
    text = sweep_page(each)
    assert not re.search(r"https?://|<script|<link|@import", text)
    ids = Reader(text).values("id")
    assert len(ids) == len(set(ids))
    count, drawings = len(each.lines), re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    assert len(drawings) == (4 if each.name == "samples" else 3)
    for place, drawing in enumerate(drawings):
        root = ElementTree.fromstring(drawing)
        classes = [path.get("class") or "" for path in root.iter("path")]
        described = root.findtext("desc") or ""
        assert sum(name.startswith("band") for name in classes) == (0 if place == 2 else count)
        assert sum("logged" in name for name in classes) == (count if place in (2, 3) else 0)
        for number, line in enumerate(each.lines, start=1):
            assert f"{line.title} goes from" in described
            assert f"{number}: {line.title}" in [words.text for words in root.iter("text")]
    for line in each.lines:
        assert f"{line.last('squared gradient'):.4g}" in text


def test_the_report_draws_the_sweeps_that_lie_beside_it(tmp_path: Path) -> None:
    kept = [small("beta", "1"), small("samples", "2")]
    for sweep in reversed(kept):
        write_sweep(sweep, tmp_path)
    found = sweeps_in(tmp_path)
    assert found == kept
    text = page(synthetic.rows(), synthetic.entries(), synthetic.RUN, found)
    ids = Reader(text).values("id")
    assert len(ids) == len(set(ids))
    for sweep in kept:
        assert f'href="sweep-{sweep.name}.html"' in text
        for figure in figures(sweep):
            assert str(figure.svg) in text
    assert "#sweeps" in text
    assert 'id="sweeps"' not in page(synthetic.rows(), synthetic.entries(), synthetic.RUN)


def test_text_from_a_record_is_shown_and_never_obeyed(tmp_path: Path) -> None:
    fields = json.loads(small("beta", "1").to_json())
    hostile = "<script>alert(1)</script>"
    fields["lines"][0]["title"] = hostile
    fields["facts"] = {hostile: hostile}
    (tmp_path / "sweep-beta.json").write_text(json.dumps(fields))
    (found,) = sweeps_in(tmp_path)
    assert found.lines[0].title == hostile
    for text in (sweep_page(found), page(synthetic.rows(), synthetic.entries(), synthetic.RUN, [found])):
        assert hostile not in text
        assert html.escape(hostile) in text


def broken(change: str, value: Any) -> str:
    fields = json.loads(small("beta", "1").to_json())
    holder: Any = fields
    *path, last = change.split(".")
    for name in path:
        holder = holder[int(name) if name.isdigit() else name]
    holder[last] = value
    return json.dumps(fields)


MALFORMED: dict[str, tuple[str | tuple[str, Any], str]] = {
    "no JSON": ("{", "cannot read JSON"),
    "a list": ("[]", "must be a JSON mapping"),
    "another name": (("name", "gamma"), "holds the sweep 'gamma'"),
    "a path as name": (("name", "../x"), "Sweep field name"),
    "no lines": (("lines", []), "Sweep field lines: must be 1 to 6"),
    "a line that is text": (("lines", ["x"]), "must be a Line"),
    "an unknown field": (("extra", 1), "unknown field 'extra'"),
    "steps that fall": (("lines.0.steps", [1, 2, 8, 4]), "Line field steps"),
    "a step 0": (("lines.0.steps", [0, 2, 4, 8]), "Line field steps"),
    "a band too short": (("lines.0.bands.test loss", [[1], [1], [1]]), "must be 4 numbers"),
    "a band upside down": (("lines.0.bands.test loss", [[1] * 4, [2] * 4, [1] * 4]), "low must be at most high"),
    "a curve not finite": (("lines.0.bands.test loss", [["nan"] * 4] * 3), "must be 4 numbers below 1e300"),
    "a band of two": (("lines.0.bands.test loss", [[1] * 4] * 2), "must be mean, low and high"),
    "an unknown quantity": (("lines.0.bands.secret", [[1] * 4] * 3), "Line field bands: must be"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_record_is_refused_in_one_line_before_anything_is_judged(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, said = MALFORMED[name]
    path = tmp_path / "sweep-beta.json"
    path.write_text(content if isinstance(content, str) else broken(*content))
    with pytest.raises(ValueError, match=re.escape(said)):
        sweeps_in(tmp_path)
    assert main(["verify", "smoothness/*", "--output", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith(f"elbound: sweep file {path}: ")
    assert not (tmp_path / "ledger.sqlite").exists()


def test_the_command_writes_record_and_page_and_prints_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def smaller(name: str, settings: Any, device: Any, data: Any) -> Prepared:
        return prepared(name, settings, device, data, SMALL)

    monkeypatch.setattr("elbound.properties.sweep.prepared", smaller)
    words = ["--steps", "8", "--replicates", "3", "--output", str(tmp_path)]
    assert main(["sweep", "beta", "--values", "0,2.5", *words, "--batch_size", "4"]) == 0
    out = capsys.readouterr().out
    assert "beta = 0 " in out
    assert "beta = 2.5 " in out
    assert sweeps_in(tmp_path) == [small("beta", "0,2.5")]
    assert main(["sweep", "all", *words]) == 0
    assert {path.stem for path in tmp_path.glob("*.html")} == {f"sweep-{name}" for name in SWEEPS}


REFUSED = {
    "beta --values=-1,1": "beta is -1.0; allowed: finite, at least 0",
    "depth --beta -1": "beta is -1.0; allowed: finite, at least 0",
    "samples --values 0": "samples is 0; allowed: at least 1",
    "beta --samples 0": "samples is 0; allowed: at least 1",
    "beta --draws 0": "draws is 0; allowed: at least 1",
    "batch-size --values 4,0": "batch_size is 0; allowed: at least 1",
    "batch-size --values 81": "batch_size is 81; allowed: 1 to 80, the rows to train on",
    "beta --steps 4.5": "argument --steps: '4.5'; allowed: a whole number of at most nine digits",
    "optimiser --beta_1 1": "beta_1 is 1.0; allowed: at least 0, below 1",
    "optimiser --beta-2 1": "beta_2 is 1.0; allowed: at least 0, below 1",
    "beta --optimiser sgd --beta-1 1": "beta_1 is 1.0; allowed: at least 0, below 1",
    "optimiser --values sgd,adan": "--values for optimiser: 'adan'; allowed: sgd, adam",
    "sharpness --values relu,0": "soft-clip sharpness 0.0 must be finite and above 0",
    "beta --sharpness -2": "soft-clip sharpness -2.0 must be finite and above 0",
    "beta --sharpness inf": "argument --sharpness: 'inf'; allowed: a finite number above 0, or relu",
    "depth --values 1,0": "depth is 0, an empty architecture; allowed: 1 to 32 hidden layers",
    "beta --depth -1": "depth is -1; allowed: 1 to 32 hidden layers",
    "beta --step-size 0": "step_size is 0.0; allowed: positive and finite",
    "beta --step-size nan": "argument --step-size/--step_size: 'nan'; allowed: a finite number",
    "beta --steps 0": "steps is 0; allowed: at least 1",
    "beta --replicates 0": "replicates is 0; allowed: 1 to 1024",
    "beta --samples 4": "beta is 0.25 with importance samples; allowed: 1",
    "beta --values 1,1.0": "--values for beta: '1,1.0'; allowed: 1 to 6 different values",
    "beta --beta 1": "--beta: it is what the sweep beta varies; allowed: --values V1,V2,...",
    "all --values 1": "--values '1' with all; allowed: with one sweep by name",
    "gamma": "sweep 'gamma': unknown; allowed: batch-size, draws, samples, beta, depth, sharpness, optimiser, all",
    "beta --draws 999999999": (
        "batch_size 16 x draws 999999999 x samples 1 x replicates 6 is 95999999904 noises in a step;"
        " allowed: at most 4194304"
    ),
}


@pytest.mark.parametrize("words", REFUSED)
def test_a_hyperparameter_out_of_range_is_refused_in_one_line_with_nothing_run(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", *words.split(), "--output", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"elbound: {REFUSED[words]}\n"
    assert not list(tmp_path.iterdir())


def test_a_run_that_diverges_names_its_setting(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["--sharpness", "relu", "--step-size", "1e200", "--steps", "2", "--replicates", "2"]
    assert main(["sweep", "optimiser", "--values", "sgd", *words, "--output", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("elbound: SGD: step_size is 1e+200: training left the finite numbers by")


def test_the_grammar_offers_every_hyperparameter_and_each_has_a_meaning_and_a_letter_of_its_own() -> None:
    assert {known.field for known in HYPERPARAMETERS} == {*Choice.__dataclass_fields__}
    assert len({known.letter for known in HYPERPARAMETERS}) == len(HYPERPARAMETERS)
