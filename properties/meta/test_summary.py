import io
import json
import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from elbound.properties.meta import synthetic
from elbound.reports.row import Entry, Row, Verdict
from elbound.reports.summary import (
    exit_code,
    farthest_of,
    fell,
    few,
    headline,
    is_loose,
    is_vacuous,
    smallest_of,
    strongest_of,
    summarise,
    verdict_of,
    write_summary,
)
from elbound.reports.table import Progress, details, show

SHARP = "descent/sgd-sharp"


def claim_of(summary: dict[str, Any], key: str, part: str | None = None) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = [c for c in summary["claims"] if (c["key"], c["part"]) == (key, part)]
    return found


def judged(*verdicts: Verdict) -> list[Row]:
    return [synthetic.row("a", i, verdict=verdict) for i, verdict in enumerate(verdicts)]


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    return summarise(synthetic.rows(), synthetic.entries(), synthetic.RUN)


def test_the_summary_has_exactly_the_names_of_schema_1(summary: dict[str, Any]) -> None:
    assert summary.keys() == {"schema", "run", "claims", "findings"}
    assert summary["schema"] == 1
    assert " ".join(summary["run"]) == (
        "started wall_s profile device dtype epoch data executions alpha_suite achieved_false_refutation_bound"
        " boundary_judged boundary_refuted versions file problems table elsewhere"
    )
    for claim in summary["claims"]:
        assert " ".join(claim) == (
            "key part setting statement latex standing source verdict basis vacuous configurations instances"
            " sharpest rate undecided mutants data witness loose where symbolic place"
        )
        assert list(claim["configurations"]) == [str(verdict) for verdict in Verdict]
        assert claim["sharpest"].keys() == {"ratio", "certified_ratio", "at"}
        assert claim["mutants"].keys() == {"named", "ladder"}
        ladder = claim["mutants"]["ladder"]
        assert ladder.keys() >= {"total", "false", "killed", "found", "silent", "survivors", "missed", "families"}
        assert (ladder["total"], ladder["survivors"]) == (0, []), "there is no row of a mutant"
    for finding in summary["findings"]:
        assert finding.keys() == {"key", "statement", "verdict", "witness", "source"}


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([], "not judged"),
        (judged(Verdict.ASSUMPTION_NOT_MET, Verdict.ERROR), "not judged"),
        (judged(Verdict.SUPPORTED, Verdict.ASSUMPTION_NOT_MET), "supported"),
        (judged(Verdict.SUPPORTED, Verdict.CONSISTENT), "consistent"),
        (judged(Verdict.SUPPORTED, Verdict.CONSISTENT, Verdict.REFUTED, Verdict.ERROR), "refuted"),
        (judged(Verdict.CONSISTENT, Verdict.INCONSISTENT), "inconsistent"),
        (judged(Verdict.INCONSISTENT, Verdict.REFUTED), "refuted"),
    ],
)
def test_the_verdict_of_a_claim_follows_from_its_rows(rows: list[Row], verdict: str) -> None:
    assert verdict_of(rows) == verdict


def test_wrong_versions_do_not_touch_the_verdict_and_are_killed_only_by_a_refuted_row(
    summary: dict[str, Any],
) -> None:
    sharp = claim_of(summary, SHARP)
    assert sharp["verdict"] == "supported"
    assert sharp["configurations"] == Counter(
        {"supported": 41, "assumption not met": 1, "consistent": 0, "refuted": 0, "inconsistent": 0, "error": 0}
    )
    assert [m["name"] for m in sharp["mutants"]["named"]] == [
        "2 percent less",
        "no log",
        "fault: biased gradient",
    ]
    assert all(m["killed"] for m in sharp["mutants"]["named"])
    assert claim_of(summary, "landscape/infimum")["mutants"]["named"] == [{"name": "survivor", "killed": False}]


def test_a_planted_fault_is_noticed_only_where_every_experiment_that_has_it_shows_it() -> None:
    shown, hidden = judged(Verdict.REFUTED, Verdict.SUPPORTED)
    elsewhere = replace(hidden, experiment="another")
    assert fell("fault: x", [shown, hidden])
    assert not fell("fault: x", [shown, elsewhere])
    assert fell("fault: x", [shown, elsewhere, replace(shown, experiment="another")])
    assert fell("wrong: x", [shown, elsewhere])


def test_a_wrong_version_that_no_row_judged_survives_and_one_that_only_rows_name_is_listed() -> None:
    rows = [synthetic.row(SHARP), synthetic.fallen(SHARP, "wrong: unlisted")]
    named = summarise(rows, [synthetic.entry(SHARP)], {})["claims"][0]["mutants"]["named"]
    assert {m["name"]: m["killed"] for m in named} == {
        "2 percent less": False,
        "no log": False,
        "fault: biased gradient": False,
        "unlisted": True,
    }


def test_sharpest_instances_and_data_come_from_the_claim_itself(summary: dict[str, Any]) -> None:
    sharp = claim_of(summary, SHARP)
    judged_rows = [r for r in synthetic.rows() if r.claim == SHARP and r.version == "" and r.judged]
    best = max(judged_rows, key=lambda row: row.ratio or 0.0)
    assert sharp["sharpest"] == {
        "ratio": best.ratio,
        "certified_ratio": best.certified_ratio,
        "at": best.configuration,
    }
    assert sharp["instances"] == {"offset at optimum, n=1000": 0.998}
    assert sharp["data"] == {"digits": sum(row.data == "digits" for row in judged_rows)}
    assert summary["run"]["data"]["digits"] == sharp["data"]["digits"]
    assert claim_of(summary, "importance/monotone")["vacuous"]
    assert not sharp["vacuous"]


def test_the_witness_is_the_strongest_and_the_smallest_refuted_row() -> None:
    rows = [
        synthetic.fallen("a", "", 0, log_e=40.0, ratio=9.0, certified_ratio=9.0),
        synthetic.fallen("a", "", 1, log_e=60.0, ratio=2.0, certified_ratio=1.5),
        synthetic.fallen("a", "", 2, log_e=50.0, origin="shrunk", configuration={"n": 12}),
        synthetic.fallen("a", "", 3, log_e=50.0, origin="shrunk", configuration={"n": 1}),
        synthetic.fallen("a", "", 4, log_e=70.0, configuration={}),
        synthetic.row("a", 5, log_e=99.0),
    ]
    assert strongest_of(rows) is rows[4]
    assert smallest_of(rows) is rows[3]
    exact = synthetic.fallen("a", "", 6, ratio=1.01)
    assert strongest_of([*rows, exact]) is exact
    assert strongest_of(rows[5:]) is smallest_of([]) is None


def test_the_order_of_rows_and_entries_changes_nothing() -> None:
    ties = [synthetic.fallen("landscape/infimum", "", i, ratio=2.0) for i in range(5)]
    rows, entries = [*synthetic.rows(200), *ties], synthetic.entries()
    first = json.dumps(summarise(rows, entries, synthetic.RUN), default=str)
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        random.Random(seed).shuffle(entries)
        assert json.dumps(summarise(rows, entries, synthetic.RUN), default=str) == first


def test_a_clean_run_exits_0_and_says_so() -> None:
    summary = summarise(*synthetic.clean(), synthetic.RUN)
    assert exit_code(summary) == 0
    assert headline(summary) == (
        "3 claims judged on 46 configurations: none refuted; the finding fell; 4 of 4 wrong versions were refuted."
    )


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda rows, _: rows.append(synthetic.fallen(SHARP, "")), 1),
        (lambda rows, entries: entries.append(synthetic.entry("x")) or rows.append(synthetic.row("x")), 1),
        (lambda rows, _: rows.__setitem__(slice(None), [r for r in rows if r.version != "wrong: no log"]), 1),
        (lambda rows, _: rows.append(synthetic.row(SHARP, 7, verdict=Verdict.ERROR)), 2),
        (lambda rows, _: rows.append(synthetic.fallen(SHARP, "wrong: no log", 7, verdict=Verdict.ERROR)), 2),
        (lambda rows, _: rows.append(synthetic.row("findings/loss-to-zero", 7, verdict=Verdict.ERROR)), 2),
        (lambda _, entries: entries.append(synthetic.entry("x", wrong=[], faults=[])), 2),
        (lambda _, entries: entries.append(synthetic.entry("x", kind="finding", wrong=[], faults=[])), 2),
        (
            lambda rows, _: rows.extend([synthetic.fallen(SHARP, ""), synthetic.row(SHARP, verdict=Verdict.ERROR)]),
            2,
        ),
        (lambda rows, entries: (rows.clear(), entries.clear()), 2),
    ],
)
def test_each_way_to_go_wrong_has_its_exit_code(spoil: Callable[[list[Row], list[Entry]], object], code: int) -> None:
    rows, entries = synthetic.clean()
    spoil(rows, entries)
    assert exit_code(summarise(rows, entries, synthetic.RUN)) == code


def test_a_finding_that_no_longer_falls_exits_1() -> None:
    rows, entries = synthetic.clean()
    standing = [row for row in rows if row.claim != "findings/loss-to-zero"]
    summary = summarise([*standing, synthetic.row("findings/loss-to-zero")], entries, synthetic.RUN)
    assert exit_code(summary) == 1
    assert "no finding of 1 fell" in headline(summary)


def test_a_claim_refuted_at_its_bound_exits_1_and_the_campaign_is_printed() -> None:
    for judged, refuted, said in (
        (0, 0, ""),
        (1_000, 0, "1,000 judged besides, none"),
        (1_000, 2, "besides, 2 refuted"),
    ):
        run = {**synthetic.RUN, "boundary_judged": judged, "boundary_refuted": refuted}
        summary = summarise(*synthetic.clean(), run)
        assert exit_code(summary) == (refuted > 0)
        console = Printed()
        show(summary, console, "here")
        assert said in console.text
        assert bool(said) == ("at their bound" in console.text)


def test_a_row_that_no_entry_describes_is_refused() -> None:
    with pytest.raises(ValueError, match="no entry describes claim 'stray'"):
        summarise([synthetic.row("stray")], synthetic.entries(), {})


@pytest.mark.parametrize("run", [{"papers": "abc"}, {"papers": [{}]}, {"epoch": 1.5}, {"versions": [1]}, {"data": 3}])
def test_a_fact_of_the_wrong_type_is_refused_by_name(run: dict[str, Any]) -> None:
    (name,) = run
    with pytest.raises(ValueError, match=f"^run fact {name}: must be "):
        summarise([], [], run)


def test_the_file_is_strict_json_and_is_replaced_whole(tmp_path: Path, summary: dict[str, Any]) -> None:
    path = tmp_path / "deep" / "summary.json"
    for _ in range(2):
        write_summary(summary, path)
    read = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    hostile = claim_of(read, synthetic.HOSTILE, synthetic.HOSTILE)
    assert hostile["sharpest"]["ratio"] == "inf"
    assert claim_of(read, SHARP) == json.loads(json.dumps(claim_of(summary, SHARP)))
    assert [p.name for p in path.parent.iterdir()] == ["summary.json"]


class Printed(Console):
    """A console that keeps what it prints."""

    def __init__(self, *, terminal: bool = False) -> None:
        self.kept = io.StringIO()
        super().__init__(file=self.kept, width=200, force_terminal=terminal, color_system=None)

    @property
    def text(self) -> str:
        return self.kept.getvalue()


def test_the_terminal_shows_every_claim_the_outcome_and_where_the_report_is(summary: dict[str, Any]) -> None:
    console = Printed()
    show(summary, console, "out/index.html")
    text = console.text
    for expected in (
        "descent/sgd-sharp/last",
        ", vacuous",
        "not judged",
        "refuted, as it must be",
        "supported, should be refuted",
        "landscape/infimum: not refuted: survivor",
        "at most 3.1e-08 (allowed 1e-06)",
        "Report: out/index.html",
    ):
        assert expected in text


def test_names_cannot_steer_the_terminal() -> None:
    entry = synthetic.entry("\x1b[2J[bold]x", wrong=["\x1b[31m"], faults=[])
    console = Printed()
    show(summarise([synthetic.row(entry.name)], [entry], {}), console, "here")
    assert "\x1b" not in console.text
    assert "[bold]x" in console.text


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_counts_tasks_and_tells_what_was_not_asked_for(terminal: bool) -> None:
    console = Printed(terminal=terminal)
    with Progress(console) as progress:
        progress.expect(30)
        progress.expect(10)
        for task in range(40):
            progress.tell([synthetic.row("a", task), synthetic.fallen("a", "wrong: half", task)])
            progress.finish(f"[task] {task}")
        progress.tell([synthetic.fallen("a", "", 3, expected=False, ratio=math.inf)])
        progress.finish("last")
    text = console.text
    assert text.count("refuted: a (") == 1
    assert "refuted: a wrong: half" not in text
    if not terminal:
        assert "4/40 tasks: 4 refuted as it must be, 4 supported" in text
        assert "40/40 tasks: 40 refuted as it must be, 40 supported" in text
        assert len(text.splitlines()) == 10 + 1


# Rates


def rate_rows(*slopes: float) -> list[Row]:
    """A rate claimed to be -1/2, measured at these slopes."""
    return [
        synthetic.row(
            "a/rate",
            j,
            verdict=Verdict.CONSISTENT if abs(slope + 0.5) < 0.05 else Verdict.INCONSISTENT,
            basis="",
            left=slope,
            right=-0.5,
            error=0.125,
            ratio=None,
            certified_ratio=None,
            slopes=(slope - 0.01, slope),
        )
        for j, slope in enumerate(slopes)
    ]


def of_rates(*slopes: float) -> dict[str, Any]:
    rate = synthetic.entry("a/rate", rate=True, wrong=[], faults=[])
    bound = synthetic.entry("a/bound", wrong=[], faults=[])
    return summarise([*rate_rows(*slopes), synthetic.row("a/bound")], [rate, bound], {})


def test_rates_are_counted_apart_from_what_is_judged() -> None:
    assert headline(of_rates(-0.5, -0.48)) == (
        "1 claim judged on 1 configuration: none refuted; 1 rate compared with measured slopes: none inconsistent."
    )
    alone = summarise(rate_rows(-0.5), [synthetic.entry("a/rate", rate=True, wrong=[], faults=[])], {})
    assert headline(alone) == "1 rate compared with measured slopes: none inconsistent."


def test_a_rate_that_slopes_contradict_fails_in_its_own_words_and_with_a_witness() -> None:
    summary = of_rates(-0.5, 0.5, -0.2)
    claim = claim_of(summary, "a/rate")
    assert claim["verdict"] == "inconsistent"
    assert exit_code(summary) == 1
    assert headline(summary).endswith("1 rate compared with measured slopes: 1 inconsistent.")
    assert claim["rate"]["measured"] == claim["witness"]["strongest"]["left"] == 0.5
    assert claim["rate"]["claimed"] == -0.5
    assert claim["rate"]["slopes"] == [0.49, 0.5]
    assert exit_code(of_rates(-0.5)) == 0
    console = Printed()
    show(summary, console, "page")
    assert "inconsistent, slope 0.5 +- 0.12 measured, -0.5 claimed" in console.text
    assert console.text.count("refuted") == 1, "of the bound alone: none refuted"


def test_a_rate_is_called_undecided_only_where_every_configuration_is() -> None:
    badly = "undecided: a slope that is off by 0.5 may look the same"
    rows = [replace(row, reason=badly if row.left == -0.5 else "") for row in rate_rows(-0.5, -0.5, -0.49)]
    entry = synthetic.entry("a/rate", rate=True, wrong=[], faults=[])
    for some, said in ((rows, False), (rows[:2], True)):
        console = Printed()
        show(summarise(some, [entry], {}), console, "page")
        assert ("claimed, undecided" in " ".join(console.text.split())) == said
        assert "consistent, slope" in console.text


def test_a_wrong_version_or_a_finding_that_is_a_rate_falls_when_slopes_contradict_it() -> None:
    assert fell("wrong: x", rate_rows(0.5))
    assert not fell("wrong: x", rate_rows(-0.5))


# Witnesses and how many configurations


def test_the_strongest_witness_is_the_one_whose_sides_are_surely_farthest_apart() -> None:
    def refuted(index: int, left: float, right: float, origin: str = "random", error: float = 1e-15) -> Row:
        given = {"left": left, "right": right, "error": error, "ratio": left / right, "certified_ratio": left / right}
        return synthetic.row("a", index, verdict=Verdict.REFUTED, origin=origin, **given)

    barely, clearly = refuted(0, 0.99001, 0.99, "shrunk"), refuted(1, 3.0, 1.0)
    far_below, blurred = refuted(2, 0.001, 1.0), refuted(3, 30.0, 1.0, error=29.0)
    assert strongest_of([barely, clearly, blurred]) is clearly
    # Slopes are logarithms: of two that miss the claimed one, that which misses it by more, whatever the signs.
    near, far = (replace(refuted(j, left, -0.5), verdict=Verdict.INCONSISTENT) for j, left in ((4, 0.5), (5, 2.3)))
    assert strongest_of([near, far]) is farthest_of([near, far]) is far
    # Of an equality a ratio far below one is as strong as one far above.
    assert strongest_of([barely, clearly, far_below]) is far_below
    assert smallest_of([clearly, barely]) is barely
    summary = summarise([barely, clearly], [synthetic.entry("a", wrong=[], faults=[])], {})
    said = "\n".join(details(summary["claims"][0], "own.py"))
    assert "smallest witness: left 0.99001, right 0.99, ratio 1 + 1e-05" in said
    assert "strongest witness: left 3, right 1, ratio 3" in said
    assert said.count("elbound replay") == 2
    alone = summarise([clearly], [synthetic.entry("a", wrong=[], faults=[])], {})["claims"][0]
    (line,) = (line for line in details(alone, "own.py") if "witness" in line)
    assert line.startswith("  witness: left 3")


def test_a_verdict_that_rests_on_few_configurations_says_on_how_many() -> None:
    def of(judged_rows: int, outside: int) -> dict[str, Any]:
        rows = [synthetic.row("a", j) for j in range(judged_rows)]
        rows += [synthetic.row("a", 100 + j, verdict=Verdict.ASSUMPTION_NOT_MET) for j in range(outside)]
        return summarise(rows, [synthetic.entry("a", wrong=[], faults=[])], {})

    assert few(of(6, 19)["claims"][0]) == ("supported on 6 configurations only; 19 were outside the assumptions")
    assert few(of(1, 1)["claims"][0]) == "supported on 1 configuration only; 1 was outside the assumptions"
    assert few(of(9, 0)["claims"][0]) == "supported on 9 configurations only"
    assert few(of(10, 500)["claims"][0]) == ""
    assert few(of(0, 5)["claims"][0]) == ""


@pytest.mark.parametrize(
    ("reaches", "weakness"),
    [
        ((0.3, 0.49), "loose"),
        ((0.3, 0.51), ""),
        ((0.3, None), "loose"),
        ((1e-7, 0.0), "vacuous"),
        ((1e-7, 0.3), "loose"),
        ((None,), ""),
        ((), ""),
    ],
)
def test_loose_and_vacuous_are_asked_of_what_does_not_depend_on_the_writing(
    reaches: tuple[float | None, ...], weakness: str
) -> None:
    # The ratio of the sides as written says the opposite each time, and plays no part.
    rows = [
        synthetic.row("a", j, reach=reach, ratio=1e-9 if weakness == "" else 0.99) for j, reach in enumerate(reaches)
    ]
    assert is_vacuous(rows) == (weakness == "vacuous")
    assert is_loose(rows) == (weakness == "loose")
