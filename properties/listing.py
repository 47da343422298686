"""The catalogue on a terminal: `elbound list` and `elbound show`."""

import json
import math
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from sympy import IndexedBase, Rational, Symbol
from sympy.printing.str import StrPrinter

import elbound.reports
from elbound.impl.user_table import UserData
from elbound.properties.arithmetics import Enclosures
from elbound.properties.at_data import Autoencoder
from elbound.properties.docket import BadInput, source_of
from elbound.properties.evidence.enclosure import best
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import experiments
from elbound.properties.experiments.limit_spectrum import BITS
from elbound.properties.unknown import unknown
from elbound.theory import settings
from elbound.theory.catalogue import Listed, at_data, catalogue
from elbound.theory.claim import Claim, Fact, Setting, meaning
from elbound.theory.evaluate import Evaluation
from elbound.theory.symbols import delta, lambda_0
from elbound.theory.units import changes

EPS = 2.0**-52
EXACT = 2.0**52


def all_settings() -> tuple[Setting, ...]:
    """The settings of the project, in the order of their definition."""
    return tuple(x for x in vars(settings).values() if isinstance(x, Setting))


def print_list(what: str, console: Console) -> None:
    """The names of all claims, or of all settings, each with one line."""
    table = Table(box=None, pad_edge=False)
    table.add_column(what[:-1], no_wrap=True)
    table.add_column("standing" if what == "claims" else "claims")
    table.add_column("what it says")
    if what == "claims":
        for x in catalogue():
            standing = "finding: must fall" if x.claim.is_finding else str(x.claim.standing)
            table.add_row(Text(x.name), standing, Text(x.title))
    else:
        for setting in all_settings():
            count = sum(setting.serves(x.claim.setting) for x in catalogue())
            table.add_row(setting.name, str(count), Text(setting.title))
    console.print(table)


def print_one(name: str, console: Console) -> None:
    """A claim, all claims of a module, or a setting. Raises BadInput for an unknown name."""
    found = [x for x in catalogue() if name in (x.name, x.key)]
    setting = next((x for x in all_settings() if x.name == name), None)
    if not found and setting is None:
        known = [*(x.name for x in all_settings()), *(y for x in catalogue() for y in (x.key, x.name))]
        raise BadInput(unknown("name", name, known, "elbound list, elbound list settings"))
    if found:
        console.print(Text(found[0].doc.strip()), soft_wrap=True)
    for listed in found:
        _print_claim(listed, console)
    if setting is not None:
        _print_setting(setting, console)


def print_at_data(name: str, data: UserData, network: Autoencoder, levels: Sequence[float], console: Console) -> None:
    """What a claim's theorem demands of the data at each confidence level, with every quantity it is made of.

    BadInput for a name that demands nothing of data, or data on which the theorem is silent.
    """
    asked = {x.key: at_data(x.key) for x in catalogue()}
    found = next((x for x in catalogue() if name in (x.name, x.key) and asked[x.key]), None)
    if found is None:
        raise BadInput(f"name {name!r}: asks nothing of data; those that do: {', '.join(k for k in asked if asked[k])}")
    values = network.quantities(data)
    console.print(
        Text(f"{found.key} at {data.name}: {len(data.values)} inputs, their own targets, antisymmetric start")
    )
    for note in data.notes:
        console.print(Text(f"{data.name}: {note}"), soft_wrap=True)
    console.print(Text(f"lambda_0 of {network}, certified by {best(BITS).basis}"))
    _print_lines([(str(x), f"{_shown(x, value)}  {meaning(x)}") for x, value in values.items()], console, "quantities")
    table = Table(box=None, pad_edge=False)
    for heading in ("confidence", *asked[found.key]):
        table.add_column(heading)
    for level in levels:
        failure = Interval.around(1 - level, EPS * (1 - level))
        at = Evaluation({**values, delta: failure}, Enclosures())
        table.add_row(f"{level:g}", *(_demand(what, at(expression)) for what, expression in asked[found.key].items()))
    console.print(Text("\ndemanded"))
    console.print(table)
    for what, expression in asked[found.key].items():
        console.print(Text(f"{what} = {expression}"), soft_wrap=True)
    console.print(Text(f"{delta}: {meaning(delta)}, one less the confidence"), soft_wrap=True)


def _shown(letter: Symbol, value: Interval) -> str:
    low, high = float(value.low), float(value.high)
    if letter.is_integer:
        return f"{low:.0f}"
    return f"{value.middle:.6g}" if letter is not lambda_0 else f"[{low:.12g}, {high:.12g}]"


def _demand(what: str, value: Interval) -> str:
    """A width is a whole number of pairs of twin neurons that surely suffices, as far as a double tells them apart."""
    high = float(value.high)
    if not math.isfinite(high):
        return "beyond doubles"
    if not what.startswith("width"):
        return f"{float(value.middle):.3g}"
    return f"{2 * math.ceil(high / 2)}" if high < EXACT else f"{high:.16e}"


def _print_claim(listed: Listed, console: Console) -> None:
    claim = listed.claim
    lines = [
        ("", ""),
        (listed.name, ""),
        ("statement", claim.statement),
        ("assuming", "; ".join(map(str, claim.assuming)) or "nothing beyond the setting"),
        ("setting", f"{claim.setting.name}: {claim.setting.title}"),
        ("standing", str(claim.standing) if not claim.is_finding else f"{claim.standing}, to be refuted"),
        ("source", source_of(claim)),
        ("proof idea", " ".join(claim.proof.split())),
        ("sharpest", _sharpest(listed)),
        ("must fall", "; ".join(claim.versions)),
        ("repaired by", claim.repaired_by),
        ("in other units", "; ".join(f"{change.unit}: {change}" for change in changes(claim))),
        ("judged by", ", ".join(x.key for x in experiments() if x.setting.serves(claim.setting))),
    ]
    _print_lines([(label, text) for label, text in lines if text or label in ("", listed.name)], console)


def _sharpest(listed: Listed) -> str:
    """The named instance on which the two sides came closest in the committed baseline; empty without one."""
    baseline = files(elbound.reports) / "baselines" / "catalogue.json"
    if not baseline.is_file():
        return ""
    known = json.loads(baseline.read_text(encoding="utf-8"))["claims"]
    none: dict[str, object] = {}
    instances = next((x["instances"] for x in known if (x["key"], x["part"]) == (listed.key, listed.part)), none)
    ratios = {name: x for name, x in instances.items() if isinstance(x, float | int)}
    best = max(ratios, key=lambda name: ratios[name], default="")
    return f"{best}: ratio {ratios[best]:.6g} of the two sides" if best else ""


def _print_setting(setting: Setting, console: Console) -> None:
    console.print(Text(f"{setting.name}: {setting.title}"))
    # A line of Python is copied, not read: it is not broken.
    console.print(Text(f"from elbound.theory.settings import {constant(setting)}"), soft_wrap=True)
    under = ", under an expectation" if setting.random else ""
    for heading, letters in (("parameters", setting.parameters), (f"observables{under}", setting.observables)):
        _print_lines([(_written(x), range_of(x), meaning(x)) for x in letters], console, heading)
    _print_lines([(constant(x), x.meaning) for x in setting.facts], console, "facts")
    serving = [x for x in experiments() if x.setting.serves(setting)]
    _print_lines([(x.key, x.title) for x in serving], console, "experiments")
    claims = [x for x in catalogue() if setting.serves(x.claim.setting)]
    _print_lines([("", ", ".join(x.name for x in claims))], console, "claims")
    units = dict.fromkeys(unit for x in claims if (unit := units_of(x)))
    _print_lines([(unit,) for unit in units], console, "units")
    if example := example_of(setting):
        console.print(Text("\nfor example"))
        console.print(Text(example), soft_wrap=True)


def constant(value: Setting | Fact) -> str:
    """The name under which `elbound.theory.settings` has a setting or a fact."""
    return next(name for name, known in vars(settings).items() if known == value and name.isupper())


def _written(letter: Any) -> str:
    return f"{letter}[...]" if isinstance(letter, IndexedBase) else str(letter)


def range_of(letter: Any) -> str:
    """The values a letter may take, by its assumptions, in words."""
    known = letter.label if isinstance(letter, IndexedBase) else letter
    kind = "whole number" if known.is_integer else "number"
    ends = ((known.is_positive, "> 0"), (known.is_nonnegative, ">= 0"), (known.is_negative, "< 0"))
    return " ".join([kind, *[end for holds, end in ends if holds][:1]])


def units_of(listed: Listed) -> str:
    """What a claim's module says of its units, in one line; empty where it says nothing."""
    paragraphs = listed.doc.strip().split("\n\n")
    return next((" ".join(x.split()).removeprefix("Units: ") for x in paragraphs if x.startswith("Units: ")), "")


def example_of(setting: Setting) -> str:
    """A line of Python that states a known claim of the setting, if possible with assumptions, the shortest of them."""
    known = [x.claim for x in catalogue() if x.claim.setting == setting and not x.claim.is_rate]
    lines = ((not claim.assuming, len(line := _line(claim)), line) for claim in known if not claim.is_finding)
    return min(lines, default=(True, 0, ""))[-1]


def _line(claim: Claim) -> str:
    written = _Python().doprint
    given = [constant(x) if isinstance(x, Fact) else written(claim.expanded(x)) for x in claim.assuming]
    name = {"<=": "Le", ">=": "Ge", "==": "Eq"}[claim.relation.rel_op]
    assuming = f", assuming=({', '.join(given)},)" if given else ""
    return f"MINE = Claim({constant(claim.setting)}, {name}({written(claim.left)}, {written(claim.right)}){assuming})"


class _Python(StrPrinter):  # type: ignore[misc]
    """Expressions as Python; a fraction of Python's own integers would be a float."""

    def _print_Rational(self, fraction: Rational) -> str:  # noqa: N802
        return f"Rational({fraction.p}, {fraction.q})"


def _print_lines(lines: Sequence[tuple[str, ...]], console: Console, heading: str = "") -> None:
    """Aligned columns, the last of them wrapped; nothing for no lines."""
    if not lines:
        return
    if heading:
        console.print(Text(f"\n{heading}"))
    table = Table(box=None, show_header=False, pad_edge=False)
    for _ in lines[0][1:]:
        table.add_column(no_wrap=True)
    table.add_column()
    for line in lines:
        table.add_row(*map(Text, line))
    console.print(table)
