"""The outcome of a run on a terminal: a table of claims, a table of findings, and progress while it runs."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from elbound.reports.row import CONTRADICTED, JUDGED, LADDER, Row, Verdict
from elbound.reports.summary import NOT_JUDGED, count, few, headline
from elbound.reports.table_use import told

_STYLES = {
    "supported": "green",
    "consistent": "cyan",
    "refuted": "bold red",
    "inconsistent": "bold red",
    "error": "bold magenta",
    NOT_JUDGED: "yellow",
}


def figure(value: float | None) -> str:
    """A number in at most four significant digits, a dash where there is none."""
    return "-" if value is None else f"{value:.4g}"


def claims_table(summary: Mapping[str, Any]) -> Table:
    """Claims of a summary: verdict with its basis, configurations judged and outside the assumptions, ratios, wrong
    versions refuted.
    """
    table = Table(title="Claims", title_justify="left", pad_edge=False, box=None)
    table.add_column("claim", overflow="fold")
    table.add_column("verdict", overflow="fold")
    for name in ("judged", "outside", "sharpest", "certified", "wrong fell"):
        table.add_column(name, justify="right", no_wrap=True)
    for claim in summary["claims"]:
        named = claim["mutants"]["named"]
        judged = sum(claim["configurations"][verdict] for verdict in JUDGED)
        table.add_row(
            _said(_name(claim)),
            _verdict(claim["verdict"], _basis(claim) + _weakness(claim)),
            f"{judged:,}",
            f"{claim['configurations'][Verdict.ASSUMPTION_NOT_MET]:,}",
            figure(claim["sharpest"]["ratio"]),
            figure(claim["sharpest"]["certified_ratio"]),
            f"{sum(version['killed'] for version in named)}/{len(named)}",
        )
    return table


def _basis(claim: Mapping[str, Any]) -> str:
    if rate := claim["rate"]:
        measured, claimed, error = figure(rate["measured"]), figure(rate["claimed"]), rate["error"]
        return f", slope {measured} +- {error:.2g} measured, {claimed} claimed"
    return f", {claim['basis']}" if claim["verdict"] in (Verdict.SUPPORTED, Verdict.REFUTED) and claim["basis"] else ""


def _weakness(claim: Mapping[str, Any]) -> str:
    if claim["undecided"] and claim["undecided"]["configurations"] == sum(claim["configurations"][x] for x in JUDGED):
        return ", undecided"
    return (
        ", vacuous"
        if claim["vacuous"]
        else ", loose"
        if claim["loose"] and claim["verdict"] not in CONTRADICTED
        else ""
    )


def details(claim: Mapping[str, Any], file: str) -> list[str]:
    """What `check` says of one claim beyond the table: witness, form of the bound, place among known claims."""
    lines = [f"{_name(claim)} ({claim['where']})"]
    for title, witness in _witnesses(claim):
        at = ", ".join(f"{name} = {_short(value)}" for name, value in witness["configuration"].items())
        lines += [f"  {title}: {_measured(claim, witness)} on {witness['experiment']} at {at}"]
        lines += [f"  replay: elbound replay {witness['identity']} {file}"]
    if warning := few(claim):
        lines.append(f"  warning: {warning}")
    if undecided := claim["undecided"]:
        of = f"{count(undecided['configurations'], 'configuration')}"
        lines.append(f"  undecided on {of}: {undecided['reason']}")
    if rate := claim["rate"]:
        lines.append(f"  local slopes: {', '.join(map(figure, rate['slopes']))}")
    for answer in claim["symbolic"]:
        flag = " (numeric)" if answer["how"] == "numeric" else ""
        lines.append(f"  {answer['question']}: {answer['answer']}{flag}")
    for version in claim["mutants"]["named"]:
        if version["name"].startswith("fault: "):
            outcome = "noticed" if version["killed"] else "not noticed by any claim"
            lines.append(f"  planted {version['name']}: {outcome}")
    for place in claim["place"] if claim["verdict"] not in CONTRADICTED else ():
        both = f"of {count(place['configurations'], 'configuration')}"
        shares = f"tighter on {place['tighter']:.0%}, looser on {place['looser']:.0%} {both}"
        alone = f"; that one is silent on {place['alone']:,} more" if place["alone"] else ""
        lines.append(f"  beside {place['claim']}: {place['word']} ({shares}{alone})")
    if not claim["place"] and claim["verdict"] != NOT_JUDGED:
        lines.append("  beside the catalogue: no known claim bounds the same left side")
    return lines


def _witnesses(claim: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The witness that is simplest to read and the strongest, each with its title; one where they are the same."""
    if not claim["witness"]:
        return []
    smallest, strongest = claim["witness"]["smallest"], claim["witness"]["strongest"]
    if smallest["identity"] == strongest["identity"]:
        return [("witness", strongest)]
    return [("smallest witness", smallest), ("strongest witness", strongest)]


def _measured(claim: Mapping[str, Any], witness: Mapping[str, Any]) -> str:
    """Both sides of a witness, to so many digits that they can be told apart."""
    left, right = _told_apart(witness["left"], witness["right"])
    if claim["rate"]:
        return f"slope {left} measured, {right} claimed"
    return f"left {left}, right {right}, ratio {_ratio(witness['ratio'])}"


def _told_apart(left: float | None, right: float | None) -> tuple[str, str]:
    pairs = ((f"{left:.{digits}g}", f"{right:.{digits}g}") for digits in range(4, 17) if None not in (left, right))
    found = (figure(left), figure(right))
    return next((pair for pair in pairs if pair[0] != pair[1]), found) if left != right else found


def _ratio(ratio: float | None) -> str:
    """A ratio in four digits, or as its distance from one where these do not tell it from one."""
    if ratio is None or ratio == 1 or figure(ratio) != "1":
        return figure(ratio)
    return f"1 {'+' if ratio > 1 else '-'} {abs(ratio - 1):.2g}"


def _name(claim: Mapping[str, Any]) -> str:
    return str(claim["key"] if claim["part"] is None else f"{claim['key']}/{claim['part']}")


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def findings_table(summary: Mapping[str, Any]) -> Table:
    """Findings of a summary, each with its verdict; refuted is what must be."""
    table = Table(title="\nFindings (statements that must fall)", title_justify="left", pad_edge=False, box=None)
    for name in ("finding", "verdict", "ratio of its witness", "replay"):
        table.add_column(name, overflow="fold")
    for finding in summary["findings"]:
        strongest = (finding["witness"] or {}).get("strongest") or {}
        fell = finding["verdict"] in CONTRADICTED
        verdict = Text(f"{finding['verdict']}, as it must be", "green") if fell else None
        table.add_row(
            _said(finding["key"]),
            verdict or _verdict(finding["verdict"], ", should be refuted"),
            figure(strongest.get("ratio")),
            Text(f"elbound replay {strongest['identity']}" if strongest else "-"),
        )
    return table


def _said(words: str) -> Text:
    """Text from a row or entry with whatever could steer a terminal replaced."""
    return Text("".join(c if c.isprintable() else "\ufffd" for c in words))


def _verdict(verdict: str, note: str) -> Text:
    return Text("".join(c if c.isprintable() else "\ufffd" for c in verdict + note), _STYLES.get(verdict, ""))


def show(summary: Mapping[str, Any], console: Console, report: Path | str) -> None:
    """Prints the tables, the outcome in one sentence, the error rate reached, and where the report lies."""
    if summary["claims"]:
        console.print(claims_table(summary))
    if summary["findings"]:
        console.print(findings_table(summary))
    for claim in summary["claims"]:
        survivors = [version["name"] for version in claim["mutants"]["named"] if not version["killed"]]
        if survivors:
            console.print(_said(f"{_name(claim)}: not refuted: {', '.join(survivors)}"), style="yellow")
    run = summary["run"]
    for claim in () if run["file"] else summary["claims"]:
        if warning := few(claim):
            console.print(_said(f"{_name(claim)}: {warning}"), style="yellow")
    for claim in summary["claims"] if run["file"] else ():
        console.print(Text("\n").join(map(_said, details(claim, run["file"]))), soft_wrap=True)
    for device, experiments in run["elsewhere"].items():
        console.print(_said(f"Ran on the {device.upper()}, not on {run['device']}: {', '.join(experiments)}"))
    for problem in run["problems"]:
        console.print(_said(problem), style=_STYLES["error"], soft_wrap=True)
    console.print(Text(headline(summary), "bold"))
    for line in told(run["table"]) if run["table"] else ():
        console.print(_said(line), soft_wrap=True)
    achieved, allowed = run["achieved_false_refutation_bound"], run["alpha_suite"]
    console.print(f"Chance of any false refutation in this run: at most {achieved:.3g} (allowed {allowed:.3g}).")
    if judged := run["boundary_judged"]:
        refuted = run["boundary_refuted"]
        style = _STYLES["error"] if refuted else ""
        said = f"Claims exactly at their bound: {judged:,} judged besides, {refuted or 'none'} refuted."
        console.print(said, style=style)
    console.print(Text(f"Report: {report}"))


def _kind(row: Row) -> tuple[str, ...]:
    """What tells a row from those that would say the same again: of errors file, line if known, and what it is."""
    where, _, what = row.reason.partition(": ")
    if row.verdict is Verdict.ERROR and re.fullmatch(r".*\.py(:\d+)?", where):
        return (where, what.partition(":")[0])
    return (row.claim, row.version, row.verdict, "" if row.contradicted else where)


class Progress:
    """Progress over the tasks of a run: a live bar on a terminal, about ten plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._total = 0
        self._console = console
        self._done = 0
        self._verdicts: Counter[str] = Counter()
        self._told: set[tuple[str, ...]] = set()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Bar(*columns, console=console, transient=True) if console.is_terminal else None
        self._line: TaskID | None = None

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            self._line = self._bar.add_task("judging", total=self._total)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def expect(self, tasks: int) -> None:
        """That many more are to come."""
        self._total += tasks
        if self._bar is not None and self._line is not None:
            self._bar.update(self._line, total=self._total)

    def tell(self, rows: Iterable[Row]) -> None:
        """Counts rows by verdict; of each claim the first error and the first unexpected refutation are told."""
        for row in rows:
            if row.version.startswith(LADDER):
                continue
            unexpected = row.contradicted and not row.expected
            how = ("as it must be" if row.expected else "unexpectedly") if row.contradicted else ""
            self._verdicts[f"{row.verdict} {how}".strip()] += 1
            if (unexpected or row.verdict is Verdict.ERROR) and (key := _kind(row)) not in self._told:
                self._told.add(key)
                said = f"{row.verdict}: {row.claim} {row.version} ({row.identity}) {row.reason}"
                self._console.print(_said(" ".join(said.split())), style=_STYLES[row.verdict], soft_wrap=True)

    def finish(self, task: str) -> None:
        """One task is finished."""
        self._done += 1
        if self._bar is not None and self._line is not None:
            self._bar.update(self._line, completed=self._done, description=task.replace("[", r"\["))
        elif self._done * 10 // self._total > (self._done - 1) * 10 // self._total:
            counts = ", ".join(f"{n} {verdict}" for verdict, n in sorted(self._verdicts.items()))
            said = ": ".join(filter(None, (f"{self._done}/{self._total} tasks", counts)))
            self._console.print(Text(said), soft_wrap=True)
