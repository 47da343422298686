"""Two runs side by side: every kind of change is named, losses are told from gains, and no file can do harm."""

import copy
import io
import json
import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from elbound.properties.cli import main
from elbound.properties.meta import synthetic
from elbound.reports.compare import Change, compare, headline, read_run, restricted, run_of, table
from elbound.reports.render.page import write_comparison
from elbound.reports.summary import summarise, write_summary

SHARP = "descent/sgd-sharp"
FUZZED = 1_000
Edit = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    return summarise(synthetic.rows(), synthetic.entries(), synthetic.RUN)


def changed(summary: dict[str, Any], edit: Edit) -> tuple[Change, ...]:
    """What is found after one edit of a copy."""
    edited = copy.deepcopy(summary)
    edit(edited)
    return compare(run_of(summary), run_of(edited)).changes


def sharp(summary: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(claim for claim in summary["claims"] if claim["key"] == SHARP)
    return found


def fallen(summary: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(finding for finding in summary["findings"] if finding["verdict"] == "refuted")
    return found


def test_a_run_does_not_differ_from_itself(summary: dict[str, Any]) -> None:
    found = compare(run_of(summary), run_of(summary))
    assert found.changes == ()
    assert found.unchanged == len(summary["claims"]) + len(summary["findings"])
    assert not found.worse
    assert headline(found) == f"No difference in {found.unchanged} statements."


@pytest.mark.parametrize(
    ("edit", "what", "worse"),
    [
        (lambda s: sharp(s).update(verdict="refuted"), "verdict", True),
        (lambda s: sharp(s).update(verdict="inconsistent"), "verdict", True),
        (lambda s: fallen(s).update(verdict="inconsistent"), "verdict", False),
        (lambda s: sharp(s).update(statement="a <= b/2"), "formula", False),
        (lambda s: sharp(s).update(standing="conjecture"), "standing", False),
        (lambda s: sharp(s)["sharpest"].update(ratio=0.25), "sharpest ratio", True),
        (lambda s: sharp(s)["sharpest"].update(ratio=3.5), "sharpest ratio", False),
        (lambda s: sharp(s)["sharpest"].update(ratio=None), "sharpest ratio", True),
        (lambda s: sharp(s)["sharpest"].update(ratio="nan"), "sharpest ratio", True),
        (lambda s: sharp(s)["instances"].update(fresh=0.5), "instance fresh", False),
        (lambda s: sharp(s)["mutants"]["named"][0].update(killed=False), "wrong version 2 percent less", True),
        (lambda s: sharp(s)["mutants"]["named"].pop(0), "wrong version 2 percent less", True),
        (lambda s: s["claims"].remove(sharp(s)), "vanished", True),
        (lambda s: fallen(s).update(verdict="consistent"), "verdict", True),
    ],
)
def test_each_kind_of_change_is_named_and_judged(
    summary: dict[str, Any], edit: Edit, what: str, *, worse: bool
) -> None:
    (change,) = changed(summary, edit)
    assert (change.what, change.worse) == (what, worse)


def added(claim: dict[str, Any], summary: dict[str, Any]) -> None:
    summary["claims"].append(claim)


def test_a_new_claim_is_a_loss_only_where_it_is_refuted(summary: dict[str, Any]) -> None:
    for verdict, worse in (("supported", False), ("not judged", True), ("inconsistent", True), ("refuted", True)):
        fresh = {**sharp(summary), "part": "fresh", "verdict": verdict}
        (change,) = changed(summary, partial(added, fresh))
        assert (change.name, change.what, change.worse) == (f"{SHARP}/fresh", "new", worse)


def test_a_run_of_a_part_is_held_to_that_part_and_to_the_versions_it_tried(summary: dict[str, Any]) -> None:
    part = copy.deepcopy(summary)
    part["claims"], part["findings"] = [sharp(part)], []
    lost = sharp(part)["mutants"]["named"].pop()
    held = restricted(run_of(summary), run_of(part))
    assert compare(held, run_of(part)).changes == ()
    assert [x.what for x in compare(run_of(summary), run_of(part)).changes if x.name == SHARP] == [
        f"wrong version {lost['name']}"
    ]


def test_ratios_count_as_equal_to_the_tolerance_and_not_beyond(summary: dict[str, Any]) -> None:
    def scaled(by: float) -> Edit:
        return lambda s: sharp(s)["sharpest"].update(ratio=sharp(s)["sharpest"]["ratio"] * by)

    assert changed(summary, scaled(0.995)) == ()
    assert [change.what for change in changed(summary, scaled(0.985))] == ["sharpest ratio"]


def test_under_other_terms_the_search_is_not_compared_but_instances_are(summary: dict[str, Any]) -> None:
    edited = copy.deepcopy(summary)
    edited["run"]["profile"] = "quick"
    sharp(edited)["sharpest"]["ratio"] = 0.001
    found = compare(run_of(summary), run_of(edited))
    assert found.differing_terms == ("profile",)
    assert found.changes == ()


def test_a_halved_constant_is_told_by_name_and_cut_to_where_it_differs(summary: dict[str, Any], tmp_path: Path) -> None:
    before, edited = copy.deepcopy(summary), copy.deepcopy(summary)
    sharp(before)["statement"] += ", where Delta = " + " + ".join(f"F_{i}" for i in range(20))
    sharp(edited)["statement"] = sharp(before)["statement"].replace("L/2", "L/4")
    found = compare(run_of(before), run_of(edited))
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table(found))
    printed = console.export_text()
    assert SHARP in printed
    assert "L/4 sum(" in printed
    assert sharp(edited)["statement"] not in printed
    page = write_comparison(found, ("old", "new"), tmp_path).read_text(encoding="utf-8")
    assert "L/4 sum" in page
    assert "Nothing got worse." in page


def test_names_in_files_stay_text_in_table_and_page(summary: dict[str, Any], tmp_path: Path) -> None:
    edited = copy.deepcopy(summary)
    sharp(edited).update(part=synthetic.HOSTILE, statement=synthetic.HOSTILE)
    found = compare(run_of(summary), run_of(edited))
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table(found))
    assert "\u202e" not in console.export_text()
    page = write_comparison(found, (synthetic.HOSTILE, "new"), tmp_path).read_text(encoding="utf-8")
    assert "<script" not in page


def mutilated(content: str, seed: int) -> bytes:
    """A baseline cut short, with bytes replaced, or with one value replaced by something hostile."""
    draw = random.Random(seed)
    match seed % 3:
        case 0:
            return content.encode()[: draw.randrange(len(content))]
        case 1:
            damaged = bytearray(content.encode())
            for _ in range(draw.randint(1, 8)):
                damaged[draw.randrange(len(damaged))] = draw.randrange(256)
            return bytes(damaged)
    document = json.loads(content)
    holders = [document]
    for holder in holders:
        values = holder.values() if isinstance(holder, dict) else holder
        holders += [value for value in values if isinstance(value, dict | list) and value]
    chosen = draw.choice(holders)
    where = draw.choice(list(chosen)) if isinstance(chosen, dict) else draw.randrange(len(chosen))
    hostile: tuple[Any, ...] = (
        None,
        -1,
        1e308,
        10**400,
        "__import__('os').abort()",
        [],
        {},
        [[]],
        True,
        synthetic.HOSTILE,
        {"": {}},
    )
    chosen[where] = draw.choice(hostile)
    return json.dumps(document).encode()


def test_a_thousand_damaged_baselines_are_compared_or_refused_in_one_line(
    summary: dict[str, Any], tmp_path: Path
) -> None:
    path, known = tmp_path / "summary.json", run_of(summary)
    write_summary(summary, path)
    content = path.read_text(encoding="utf-8")
    refusals = []
    for seed in range(FUZZED):
        path.write_bytes(mutilated(content, seed))
        try:
            compare(read_run(path), known)
        except ValueError as failure:
            refusals.append(str(failure))
    assert FUZZED / 3 <= len(refusals) < FUZZED
    assert all(said.startswith(f"run {path}: ") and "\n" not in said for said in refusals)


def test_deep_nesting_repeated_names_and_bare_nan_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    for content in ("[" * 100_000, '{"schema": 1, "schema": 1}', '{"schema": NaN}', "[]", '{"schema": true}', ""):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match=r"^run "):
            read_run(path)


def said(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command_compares_folders_summaries_and_ledgers(
    summary: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old", tmp_path / "new.json"
    synthetic.write(old / "ledger.sqlite", synthetic.rows(), synthetic.entries())
    edited = copy.deepcopy(summary)
    write_summary(edited, new)
    code, out, _ = said(capsys, "compare", old, new, "--output", tmp_path)
    assert code == 0
    assert "No difference" in out
    sharp(edited)["verdict"] = "refuted"
    write_summary(edited, new)
    code, out, _ = said(capsys, "compare", old, new, "--output", tmp_path, "--json")
    assert code == 1
    (change,) = json.loads(out)["changes"]
    assert change == {"name": SHARP, "what": "verdict", "old": "supported", "new": "refuted", "worse": True}
    assert (tmp_path / "compare.html").is_file()


@pytest.mark.parametrize(
    ("words", "telling"),
    [
        (("nowhere", "nowhere"), "no such file"),
        (("{old}", "{old}", "--tolerance", "2"), "at least 0 and below 1"),
        (("{old}", "{old}", "--tolerance", "few"), "'few'"),
    ],
)
def test_what_cannot_be_compared_is_one_line_and_exit_code_2(
    words: tuple[str, ...], telling: str, summary: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_summary(summary, tmp_path / "summary.json")
    code, out, err = said(capsys, "compare", *(word.format(old=tmp_path) for word in words))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert telling in err.lower()


def test_a_run_worse_than_its_baseline_fails_and_an_equal_one_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("verify", "smoothness/soft-clipping", "--profile", "quick", "--workers", 1, "--output", tmp_path)
    assert said(capsys, *words)[0] == 0
    baseline = tmp_path / "baseline.json"
    shutil.copy(tmp_path / "summary.json", baseline)
    # Resuming a finished run judges nothing again, and compares all the same.
    again = (*words, "--resume", "--baseline", baseline)
    code, out, _ = said(capsys, *again)
    assert (code, "No difference" in out) == (0, True)
    sharper = json.loads(baseline.read_text(encoding="utf-8"))
    for claim in sharper["claims"]:
        claim["instances"] = {name: 2 * ratio for name, ratio in claim["instances"].items() if ratio}
    write_summary(sharper, baseline)
    code, out, _ = said(capsys, *again)
    assert (code, "worse" in out) == (1, True)
