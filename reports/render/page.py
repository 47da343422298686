"""The page of a run, drawn from its ledger alone: one file, no network, readable without script."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from latex2mathml.converter import convert
from markupsafe import Markup

from elbound.reports.compare import Change, Comparison, notes
from elbound.reports.compare import headline as compared
from elbound.reports.document import Scalar
from elbound.reports.ledger import Ledger
from elbound.reports.place import Place, places_of
from elbound.reports.power import FAMILIES, score, tally, tried
from elbound.reports.render import plots
from elbound.reports.row import CONTRADICTED, Entry, Row, Verdict
from elbound.reports.summary import (
    FEW,
    condense,
    facts,
    farthest_of,
    fell,
    group,
    headline,
    instances_of,
    is_loose,
    is_vacuous,
    outside_of,
    sharpest_of,
    smallest_of,
    strongest_of,
    unanswered,
    unexpected,
    verdict_of,
    versions_of,
    write_text,
)
from elbound.reports.sweep import Sweep, figures, sweeps_in
from elbound.reports.table_use import told

_MATHML = "{http://www.w3.org/1998/Math/MathML}"
_TAGS = re.compile(
    "math|mrow|mi|mn|mo|mtext|mspace|ms|msup|msub|msubsup|munder|mover|munderover|mfrac|msqrt|mroot|mtable|mtr|mtd"
    "|mstyle|mpadded|mphantom|menclose|mmultiscripts|mprescripts|none"
)
_ATTRIBUTES = re.compile(
    "display|displaystyle|scriptlevel|stretchy|fence|separator|form|accent|accentunder|movablelimits|largeop"
    "|symmetric|minsize|maxsize|lspace|rspace|width|height|depth|mathvariant|mathsize|linethickness|columnalign"
    "|rowalign|columnspacing|rowspacing|columnlines|rowlines|frame|notation|voffset|align"
)
_LONGEST_FORMULA = 20_000
_CURVES = 3  # rows drawn with their curves, sharpest first
_REASONS = 5
_FEWEST = 3  # judged rows that make a distribution worth drawing

_STATES = {
    (False, False): ("good", "Everything was judged, and nothing unexpected came out."),
    (True, False): ("bad", "Something needs attention: a claim fell, or something that must fall did not."),
    (False, True): ("open", "Something could not be judged."),
    (True, True): ("bad", "Something needs attention, and something could not be judged."),
}


def render(ledger_path: Path | str, output_dir: Path | str) -> Path:
    """Draws `index.html` from a ledger, and from the sweeps recorded beside the page; the same files, the same bytes.

    Raises LedgerError: the file is no readable ledger.
        ValueError: the ledger holds rows that no entry describes, or facts of the wrong type; a malformed sweep.
    """
    with Ledger.open(ledger_path, readonly=True) as ledger:
        rows, entries, run, closed = list(ledger.rows()), ledger.entries(), ledger.run, ledger.closed
    path = Path(output_dir) / "index.html"
    write_text(path, page(rows, entries, run, sweeps_in(path.parent), closed=closed))
    return path


def page(
    rows: Sequence[Row],
    entries: Sequence[Entry],
    run: Mapping[str, Any],
    sweeps: Sequence[Sweep] = (),
    *,
    closed: bool = True,
) -> str:
    """The whole page as text."""
    by_claim = group(rows, entries)
    summary = condense(by_claim, entries, run)
    named = {sentence["id"]: sentence["paper"] for sentence in facts(run)["papers"]}
    views = [_view(e, by_claim[e.name], named) for e in sorted(entries, key=lambda e: (e.key, e.part or ""))]
    claims = [view for view in views if view["entry"].kind == "claim"]
    findings = [view for view in views if view["entry"].kind == "finding"]
    rooms: dict[str, list[dict[str, Any]]] = {}
    for view in claims:
        rooms.setdefault(view["entry"].key.partition("/")[0], []).append(view)
    listed = _papers(facts(run)["papers"], views)
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            headline=headline(summary),
            state=_STATES[unexpected(summary), unanswered(summary)],
            run=facts(run),
            run_data=summary["run"]["data"],
            table=told(summary["run"]["table"]) if summary["run"]["table"] else (),
            elsewhere=summary["run"]["elsewhere"],
            file=summary["run"]["file"],
            problems=summary["run"]["problems"],
            closed=closed,
            papers=listed,
            sentences={sentence["id"]: sentence["sentence"] for sentence in facts(run)["papers"]},
            rooms=rooms,
            claims=claims,
            pictures=_pictures(rows),
            sweeps=[(sweep, figures(sweep)) for sweep in sweeps],
            ladder=_heat(views),
            power=score(summary),
            findings=findings,
            verdicts=_by(views, lambda view: view["verdict"]),
            settings=_by(views, lambda view: view["entry"].setting),
        )
    )


def _by(views: Sequence[dict[str, Any]], name: Callable[[dict[str, Any]], str]) -> dict[str, list[dict[str, Any]]]:
    """The views under each name, names in order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for view in sorted(views, key=name):
        found.setdefault(name(view), []).append(view)
    return found


def write_comparison(comparison: Comparison, sides: tuple[str, str], folder: Path) -> Path:
    """Draws `compare.html`, one file without script or network, and returns where it is."""
    by_name: dict[str, list[Change]] = {}
    for change in comparison.changes:
        by_name.setdefault(change.name, []).append(change)
    old, new = sides
    told = {"headline": compared(comparison), "notes": notes(comparison), "old": old, "new": new}
    template = environment().get_template("compare.html.j2")
    path = folder / "compare.html"
    write_text(path, template.render(comparison=comparison, by_name=by_name, **told))
    return path


@cache
def environment() -> Environment:
    """The templates with their filters, compiled once in a process."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=number, formula=formula, anchor=anchor, breakable=breakable, thousands=lambda n: f"{n:,}"
    )
    environment.globals.update(web=web)
    return environment


def anchor(name: str) -> str:
    """A fragment identifier for a claim's name: distinct names, distinct anchors; "/" becomes "."."""
    kept = re.sub(r"[^A-Za-z0-9/-]", lambda found: f"_{ord(found[0]):x}_", name)
    return "c." + kept.replace("/", ".")


def number(value: Scalar | None, digits: int = 4) -> str:
    """A value as the page shows it: few digits, a true minus, a dash where there is none."""
    if value is None:
        return "–"
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    return f"{value:.{digits}g}".replace("inf", "∞").replace("-", "−")


def breakable(name: str) -> Markup:
    """A claim's name that may be broken after each "/"."""
    return Markup("/<wbr>").join(name.split("/"))


def web(link: str) -> str:
    """The link if it leads to a web page, else nothing: no other scheme gets into a href."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return ""
    return link if parts.scheme in ("http", "https") and parts.netloc else ""


def formula(latex: str, plain: str = "") -> Markup:
    """A LaTeX formula as MathML; the plain text (else the LaTeX) in <code> where that cannot be done safely.

    The converter undoes the escaping of its own output, so that is read back as XML and only the elements and
    attributes of presentation MathML are let through.
    """
    shown = Markup("<code>{}</code>").format(plain or latex)
    if not latex.strip() or len(latex) > _LONGEST_FORMULA:
        return shown
    try:
        root = ElementTree.fromstring(convert(latex, display="block"))
    except Exception:  # the converter raises many kinds on malformed input, RecursionError and KeyError among them
        return shown
    for element in root.iter():
        element.tag = element.tag.removeprefix(_MATHML)
        if not _TAGS.fullmatch(element.tag) or not all(map(_ATTRIBUTES.fullmatch, element.attrib)):
            return shown
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _papers(sentences: Sequence[Mapping[str, str]], views: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The papers in the order of the run; under each its sentences with the claims that speak about them."""
    papers: dict[str, list[dict[str, Any]]] = {}
    for sentence in sentences:
        relations = {
            relation: [
                view
                for view in views
                if {"sentence": sentence["id"], "relation": relation} in list(view["entry"].papers)
            ]
            for relation in ("carries", "qualifies", "contradicts")
        }
        papers.setdefault(sentence["paper"], []).append({**sentence, "relations": relations})
    return [{"name": name, "sentences": listed} for name, listed in papers.items()]


def _view(entry: Entry, versions: Mapping[str, Sequence[Row]], papers: Mapping[str, str]) -> dict[str, Any]:
    """What the page shows of one claim or finding; `papers` holds the paper of each sentence."""
    rows = versions.get("", [])
    judged = [row for row in rows if row.judged]
    where = anchor(entry.name)
    verdict = verdict_of(rows)
    bases = Counter(row.basis for row in judged if row.basis)
    places = places_of(entry, rows) if verdict not in CONTRADICTED else []
    named = [_version(name, versions.get(name, [])) for name in versions_of(entry, versions)]
    return {
        "entry": entry,
        "anchor": where,
        "papers": sorted({papers[said["sentence"]] for said in entry.papers if said["sentence"] in papers}),
        "verdict": verdict,
        "as_it_must": entry.kind == "finding" and verdict in CONTRADICTED,
        "vacuous": sum(row.vacuous for row in judged),
        "judged": len(judged),
        "counts": [(str(v), n) for v in Verdict if (n := sum(row.verdict is v for row in rows))],
        "bases": sorted(bases.items()),
        "data": sorted(Counter(row.data for row in judged if row.data).items()),
        "sharpest": sharpest_of(rows),
        "witnesses": _witnesses(rows),
        "instances": instances_of(rows),
        "versions": named,
        "killed": sum(version["killed"] for version in named),
        "ladder": tally(versions),
        "reasons": _reasons(versions),
        "figures": [*_figures(where, rows), *_comparisons(where, places)],
        "places": places,
        "weak": _weakness(judged) if verdict not in CONTRADICTED else "",
        "outside": outside_of(rows),
        "few": 0 < len(judged) < FEW and verdict not in CONTRADICTED,
        "rate": farthest_of(rows) if entry.rate else None,
    }


def _weakness(judged: Sequence[Row]) -> str:
    return "vacuous" if is_vacuous(judged) else "loose" if is_loose(judged) else ""


def _heat(views: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The ladder as a table of shades: a claim to a row, a family to a column, nine shades of the share killed."""
    shown = [view for view in views if view["ladder"]["total"]]
    families = [name for name in FAMILIES if any(name in view["ladder"]["families"] for view in shown)]
    rows = [(view, [_shade(view["ladder"]["families"].get(family)) for family in families]) for view in shown]
    return {"families": families, "rows": rows}


def _shade(counts: Mapping[str, int] | None) -> tuple[str, int]:
    if counts is None:
        return "", 0
    return f"{counts['killed']}/{counts['total']}", round(8 * counts["killed"] / counts["total"])


def _version(name: str, rows: Sequence[Row]) -> dict[str, Any]:
    kind, _, called = name.partition(": ")
    return {
        "kind": {"wrong": "wrong version", "fault": "planted fault"}.get(kind, "version"),
        "name": called or name,
        "killed": fell(name, rows),
        "judged": sum(row.judged for row in rows),
        "by": strongest_of(rows),
        "sharpest": sharpest_of(rows),
    }


def _witnesses(rows: Sequence[Row]) -> list[tuple[str, Row]]:
    strongest, smallest = strongest_of(rows), smallest_of(rows)
    if strongest is None or smallest is None:
        return []
    if strongest is smallest:
        return [("Witness, strongest and smallest", strongest)]
    return [("Smallest witness", smallest), ("Strongest witness", strongest)]


def _reasons(versions: Mapping[str, Sequence[Row]]) -> list[tuple[str, int]]:
    """The commonest reasons of errors, with how often each came."""
    errors = Counter(
        row.reason for listed in tried(versions).values() for row in listed if row.verdict is Verdict.ERROR
    )
    ranked = sorted(errors.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(n for _, n in ranked[_REASONS:])
    return ranked[:_REASONS] + ([("other reasons", rest)] if rest else [])


def _pictures(rows: Sequence[Row]) -> list[plots.Figure]:
    """One figure for each configuration on which several claims were followed over the same index."""
    followed: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.experiment, row.origin, row.claim)):
        if row.version == "" and row.judged and {"observed", "bound"} <= row.curves.keys():
            followed.setdefault((row.experiment, row.origin), []).append(row)
    drawn = (plots.together(f"picture{i}", group) for i, group in enumerate(followed.values()))
    return [figure for figure in drawn if figure is not None]


def _comparisons(where: str, places: Sequence[Place]) -> list[plots.Figure]:
    drawn = (plots.beside(f"{where}.beside{i}", place.rival, place.pairs) for i, place in enumerate(places))
    return [figure for figure in drawn if figure is not None]


def _figures(where: str, rows: Sequence[Row]) -> list[plots.Figure]:
    drawn: list[plots.Figure | None] = []
    if sum(row.judged for row in rows) >= _FEWEST:
        drawn += [plots.histogram(f"{where}.ratios", rows), plots.scatter(f"{where}.sides", rows)]
    carrying = sorted(
        (row for row in rows if row.judged and row.curves),
        key=lambda row: (-(row.ratio or 0.0), row.identity),
    )
    drawn += [plots.curves(f"{where}.curves{i}", row) for i, row in enumerate(carrying[:_CURVES])]
    return [figure for figure in drawn if figure is not None]
