"""A hyperparameter sweep: its record, which lies as JSON beside its page, its table and its figures."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from rich.table import Table

from elbound.reports.document import Document, Reader, Scalar, integer, mapping, nested, number, scalar, several, text
from elbound.reports.render import plots
from elbound.reports.table import figure

ALWAYS = ("squared gradient", "logged square", "test loss")
WEIGHTED = ("test bound", "logged bound")  # of settings whose objective is the importance-weighted bound
LARGEST_FILE = 4_000_000


class Band(NamedTuple):
    """Mean over replicates and the 10 and 90 percent points, one for each record."""

    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def _band(value: Any) -> Band:
    parts = several(several(number))(value)
    if len(parts) != len(Band._fields):
        raise ValueError(f"must be mean, low and high, got {len(parts)} lists")
    return Band(*parts)


@dataclass(frozen=True, slots=True)
class Line(Document):
    """One setting: at the recorded steps |grad F|^2, what paper A's code logs in its place, the negative ELBO of
    held-out data, and for an importance-weighted bound -L_K of those data with what is logged in its place.

    moved is the largest relative change of |grad F|^2 when its quadrature takes twice as many nodes.
    Raises ValueError: a field of the wrong type, curves not finite, of other lengths than steps, or upside down.
    """

    title: str
    steps: Sequence[int]
    bands: Mapping[str, Band]
    moved: float
    READERS: ClassVar[Mapping[str, Reader]] = {
        "title": text,
        "steps": several(integer),
        "bands": mapping(_band),
        "moved": number,
    }

    def __post_init__(self) -> None:
        Document.__post_init__(self)
        steps = list(self.steps)
        if not steps or steps[0] < 1 or steps != sorted(set(steps)):
            raise ValueError("Line field steps: must be growing whole numbers from 1 on")
        if not 0 <= self.moved < math.inf:
            raise ValueError(f"Line field moved: must be finite and at least 0, got {self.moved}")
        if self.bands.keys() not in ({*ALWAYS}, {*ALWAYS, *WEIGHTED}):
            raise ValueError(f"Line field bands: must be {', '.join(ALWAYS)}, or those and {', '.join(WEIGHTED)}")
        for name, band in self.bands.items():
            if any(len(part) != len(steps) or not all(abs(v) < 1e300 for v in part) for part in band):
                raise ValueError(
                    f"Line field bands, {name}: must be {len(steps)} numbers below 1e300 in size, one a step"
                )
            if any(low > high for low, high in zip(band.low, band.high, strict=True)):
                raise ValueError(f"Line field bands, {name}: low must be at most high")

    def last(self, name: str) -> float:
        """The mean of a quantity at the last record."""
        return self.bands[name].mean[-1]


@dataclass(frozen=True, slots=True)
class Sweep(Document):
    """A sweep: its name, what all settings share, and a line for each setting. Raises ValueError as Line does."""

    name: str
    facts: Mapping[str, Scalar]
    lines: Sequence[Line]
    READERS: ClassVar[Mapping[str, Reader]] = {
        "name": text,
        "facts": mapping(scalar),
        "lines": several(nested(Line)),
    }
    TAGGED: ClassVar[frozenset[str]] = frozenset({"facts"})

    def __post_init__(self) -> None:
        Document.__post_init__(self)
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", self.name):
            raise ValueError(f"Sweep field name: must be small letters, digits and hyphens, got {self.name[:40]!r}")
        if not 1 <= len({line.title for line in self.lines}) == len(self.lines) <= plots.HUES:
            raise ValueError(f"Sweep field lines: must be 1 to {plots.HUES} with titles of their own")

    @property
    def weighted(self) -> list[Line]:
        """The settings trained on an importance-weighted bound."""
        return [line for line in self.lines if "test bound" in line.bands]


def sweeps_in(folder: Path) -> list[Sweep]:
    """The sweeps whose records lie in a folder, by name. Raises ValueError, naming the file, for a malformed one."""
    found = []
    for path in sorted(folder.glob("sweep-*.json")):
        try:
            if path.stat().st_size > LARGEST_FILE:
                raise ValueError(f"larger than {LARGEST_FILE} bytes")
            sweep = Sweep.from_json(path.read_text(encoding="utf-8"))
            if path.name != f"sweep-{sweep.name}.json":
                raise ValueError(f"holds the sweep {sweep.name!r}")
        except (OSError, ValueError) as reason:
            raise ValueError(f"sweep file {path}: {reason}; allowed: what `elbound sweep` writes, or no file") from None
        found.append(sweep)
    return found


def sweep_table(sweep: Sweep) -> Table:
    """One row for each setting: values at the last record, and the logged over the true squared gradient."""
    table = Table(title=f"Sweep {sweep.name}", title_justify="left", pad_edge=False, box=None)
    table.add_column("setting")
    for heading in headings(sweep):
        table.add_column(heading, justify="right")
    for line in sweep.lines:
        table.add_row(line.title, *cells(sweep, line))
    return table


def headings(sweep: Sweep) -> list[str]:
    """What the table says of each setting."""
    common = ["|grad F|^2", "10-90 %", "logged", "logged/true", "test -ELBO", "10-90 %"]
    return common + (["test -L_K", "logged loss"] if sweep.weighted else [])


def cells(sweep: Sweep, line: Line) -> list[str]:
    """The values of a setting at the last record."""
    true, logged = line.last("squared gradient"), line.last("logged square")
    first, second = (
        f"{line.bands[name].low[-1]:.3g} - {line.bands[name].high[-1]:.3g}"
        for name in ("squared gradient", "test loss")
    )
    ratio = figure(logged / true if true else None)
    shown = [figure(true), first, figure(logged), ratio, figure(line.last("test loss")), second]
    bounds = [figure(line.last(name)) if name in line.bands else "-" for name in WEIGHTED]
    return shown + (bounds if sweep.weighted else [])


def figures(sweep: Sweep) -> list[plots.Figure]:
    """All settings in one figure for each quantity; true and logged gradient, bound and logged loss together."""
    name, key = sweep.name, f"sweep.{sweep.name}"
    gradient, loss = "squared gradient", "test negative ELBO (nats)"
    true, test = (_curves(sweep.lines, quantity) for quantity in ("squared gradient", "test loss"))
    both = [*_curves(sweep.lines, "squared gradient", band=False), *_curves(sweep.lines, "logged square", logged=True)]
    drawn = [
        _figure(f"{key}.g", f"True squared gradient, sweep {name}", gradient, true, _TRUE, log=True),
        _figure(f"{key}.t", f"Test negative ELBO, sweep {name}", loss, test, _LOSS),
        _figure(f"{key}.l", f"True and logged squared gradient, sweep {name}", gradient, both, _BOTH, log=True),
    ]
    if sweep.weighted:
        bounds = [*_curves(sweep.weighted, "test bound"), *_curves(sweep.weighted, "logged bound", logged=True)]
        title = f"Importance-weighted bound and logged loss, sweep {name}"
        drawn.append(_figure(f"{key}.k", title, "test -L_K (nats)", bounds, _BOUND))
    return drawn


_TRUE = "Squared norm of the true gradient of F, with bands."
_LOSS = "Negative ELBO on held-out data, with bands."
_BOTH = "Solid: true squared gradient of F. Dotted: what paper A's code logs in its place."
_BOUND = "Solid: -L_K on held-out data. Dotted: the loss that paper A's code logs, in expectation."


def _curves(lines: Sequence[Line], quantity: str, *, band: bool = True, logged: bool = False) -> list[plots.Curve]:
    found = []
    for line in lines:
        mean, low, high = (tuple(zip(line.steps, part, strict=True)) for part in line.bands[quantity])
        found.append(plots.Curve(line.title, mean, (low, high) if band and not logged else None, logged))
    return found


def _figure(
    identity: str, title: str, label: str, curves: Sequence[plots.Curve], caption: str, *, log: bool = False
) -> plots.Figure:
    return plots.Figure(plots.family(identity, title, ("step", label), curves, log=log), caption)
