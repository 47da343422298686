"""A hyperparameter sweep: its table and its page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup, escape
from rich.table import Table

from elbound.reports.render import plots
from elbound.reports.summary import write_text
from elbound.reports.table import figure


@dataclass(frozen=True)
class Band:
    """Mean over replicates and the 10 and 90 percent points, one for each record."""

    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Line:
    """One setting of a sweep: |grad F|^2, what paper A's code logs in its place, and the test negative ELBO."""

    title: str
    steps: tuple[int, ...]
    squared_gradient: Band
    logged: Band
    test_loss: Band


EXPLAINED = (
    "The true squared gradient is computed exactly at every iterate and averaged between two records. What paper A's "
    "code logs is B/P times the squared norm of the minibatch gradient: it holds the noise's variance and a factor of "
    "B, and can be compared neither across batch sizes nor with a theorem. Means over replicates; bands from 10 to 90 "
    "percent."
)


def sweep_table(name: str, lines: Sequence[Line]) -> Table:
    """One row for each setting: values over the last record, and the logged over the true squared gradient."""
    table = Table(title=f"Sweep {name}", title_justify="left", pad_edge=False, box=None)
    table.add_column("setting")
    for heading in ("true |grad F|^2", "10 to 90 %", "logged", "logged/true", "test neg. ELBO", "10 to 90 %"):
        table.add_column(heading, justify="right")
    for line in lines:
        true, logged = line.squared_gradient.mean[-1], line.logged.mean[-1]
        spread = (
            f"{figure(band.low[-1])} - {figure(band.high[-1])}" for band in (line.squared_gradient, line.test_loss)
        )
        first, second = spread
        ratio = figure(logged / true) if true else "-"
        table.add_row(line.title, figure(true), first, figure(logged), ratio, figure(line.test_loss.mean[-1]), second)
    return table


def write_sweep(name: str, lines: Sequence[Line], folder: Path) -> Path:
    """Draws sweep-NAME.html, one file without script or network, and returns where it is."""
    path = folder / f"sweep-{name}.html"
    write_text(path, sweep_page(name, lines))
    return path


def sweep_page(name: str, lines: Sequence[Line]) -> str:
    """The page as text: for each setting the gradient with what is logged, and the test loss."""
    style = (Path(plots.__file__).with_name("templates") / "style.css").read_text(encoding="utf-8")
    sections = Markup("").join(_section(number, line) for number, line in enumerate(lines))
    head = Markup(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><title>elbound: sweep {0}</title>'
    ).format(name)
    body = Markup("</head><body><main><h1>Sweep {0}</h1><p>{1}</p>{2}</main></body></html>\n")
    return head + Markup("<style>\n{0}\n</style>").format(Markup(style)) + body.format(name, EXPLAINED, sections)


def _section(number: int, line: Line) -> Markup:
    true, loss = line.squared_gradient, line.test_loss
    x = [float(step) for step in line.steps]
    gradient = {"x": x, "observed": true.mean, "low": true.low, "high": true.high, "logged": line.logged.mean}
    test = {"x": x, "observed": loss.mean, "low": loss.low, "high": loss.high}
    drawn = (
        (
            plots.lines(f"g{number}", f"Squared gradient, {line.title}", ("step", "squared gradient"), gradient),
            _SQUARES,
        ),
        (plots.lines(f"t{number}", f"Test loss, {line.title}", ("step", "test negative ELBO"), test), _LOSS),
    )
    figures = Markup("").join(
        Markup("<figure>{0}<figcaption>{1}</figcaption></figure>").format(svg, caption) for svg, caption in drawn
    )
    return Markup('<section><h2>{0}</h2><div class="figures">{1}</div></section>').format(escape(line.title), figures)


_SQUARES = "Solid: true squared gradient, with its band; dotted: what paper A's code logs."
_LOSS = "Solid: negative ELBO on held-out digits, with its band."
