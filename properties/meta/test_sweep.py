"""The command `elbound sweep`: its lines, table and page."""

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from elbound.properties import commands, sweep
from elbound.properties.cli import main
from elbound.properties.sweep import SWEEPS, Size
from elbound.reports.sweep import Line, sweep_page, sweep_table

SMALL = Size(data_dim=4, latent_dim=2, rows=32, steps=20, records=5, replicates=4)


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_has_a_line_for_each_setting_with_ordered_bands(name: str) -> None:
    lines = sweep.sweep(name, SMALL)
    assert [line.title for line in lines] == list(SWEEPS[name])
    for line in lines:
        assert line.steps == (4, 8, 12, 16, 20)
        for band in (line.squared_gradient, line.logged, line.test_loss):
            assert len(band.mean) == len(band.low) == len(band.high) == 5
            assert all(low <= high for low, high in zip(band.low, band.high, strict=True))
        assert min(line.squared_gradient.low) > 0


def test_settings_of_one_sweep_differ_in_what_they_name() -> None:
    for name, choices in SWEEPS.items():
        for title, choice in choices.items():
            value = re.search(r"[\d.]+$", title)
            found = {"batch-size": choice.batch_size, "samples": choice.importance_samples, "beta": choice.beta}
            assert choice.adam == (title == "Adam")
            assert name == "optimiser" or (value is not None and found[name] == float(value[0]))


def lines_of(name: str) -> tuple[Line, ...]:
    return sweep.sweep(name, SMALL)


def test_the_table_shows_true_and_logged_gradients_of_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    lines = lines_of("batch-size")
    Console(width=120).print(sweep_table("batch-size", lines))
    shown = capsys.readouterr().out
    for line in lines:
        row = next(text for text in shown.splitlines() if text.startswith(f"{line.title} "))
        assert f"{line.squared_gradient.mean[-1]:.4g}" in row
        assert f"{line.logged.mean[-1]:.4g}" in row
        assert f"{line.logged.mean[-1] / line.squared_gradient.mean[-1]:.4g}" in row
        assert f"{line.test_loss.mean[-1]:.4g}" in row


def test_the_page_stands_alone_and_draws_two_figures_with_bands_for_each_setting() -> None:
    lines = lines_of("optimiser")
    page = sweep_page("optimiser", lines)
    assert page == sweep_page("optimiser", lines)
    assert not re.search(r"https?://|<script|<link|@import", page)
    drawings = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(drawings) == 2 * len(lines)
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        assert root.find("title") is not None
        assert len([x for x in root.iter("path") if x.get("class") == "band"]) == 1
    dotted = [drawing for drawing in drawings if 'class="line other"' in drawing]
    assert len(dotted) == len(lines)


def test_the_command_writes_the_page_and_prints_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small: Callable[[str], tuple[Line, ...]] = lines_of
    monkeypatch.setattr(commands, "sweep", small)
    assert main(["sweep", "beta", "--output", str(tmp_path)]) == 0
    assert "beta = 0.25" in capsys.readouterr().out
    assert (tmp_path / "sweep-beta.html").read_text(encoding="utf-8") == sweep_page("beta", lines_of("beta"))


def test_an_unknown_sweep_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "depth"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "elbound: sweep 'depth': unknown; allowed: batch-size, samples, beta, optimiser\n"
