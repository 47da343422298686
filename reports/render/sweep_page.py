"""The page of a hyperparameter sweep: one file, no network, no script."""

from pathlib import Path

from elbound.reports.render.page import environment
from elbound.reports.summary import write_text
from elbound.reports.sweep import Sweep, cells, figures, headings


def write_sweep(sweep: Sweep, folder: Path) -> Path:
    """Writes sweep-NAME.json and draws sweep-NAME.html, each whole or not at all; returns where the page is."""
    page = folder / f"sweep-{sweep.name}.html"
    write_text(page.with_suffix(".json"), sweep.to_json() + "\n")
    write_text(page, sweep_page(sweep))
    return page


def sweep_page(sweep: Sweep) -> str:
    """The page as text; the same sweep gives the same bytes."""
    table = [(line, cells(sweep, line)) for line in sweep.lines]
    template = environment().get_template("sweep.html.j2")
    return template.render(sweep=sweep, figures=figures(sweep), headings=headings(sweep), table=table)
