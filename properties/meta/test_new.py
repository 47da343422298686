"""`elbound new`, and what `show` and `list` tell of a setting: enough to write a claim by."""

import subprocess
import sys
from pathlib import Path

import pytest
import sympy
from sympy import IndexedBase

from elbound.properties.analysis import BadInput, read_analysis
from elbound.properties.cli import main
from elbound.properties.listing import all_settings, constant, example_of, range_of
from elbound.properties.starting import write_new
from elbound.theory import settings, symbols
from elbound.theory.catalogue import catalogue
from elbound.theory.claim import Claim, Setting, meaning

SETTINGS = all_settings()


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 0
    return capsys.readouterr().out


def test_a_new_analysis_is_judged_as_it_is(tmp_path: Path) -> None:
    path = write_new("my_first", tmp_path)
    (listed,) = read_analysis(path, 60.0).listed
    assert listed.name == "my_first"
    assert listed.title.startswith("The importance-weighted bound")
    words = [sys.executable, "-m", "elbound.properties", "check", path.name, "--profile", "quick", "--workers", "1"]
    run = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run
    assert "none refuted; 1 of 1 wrong version was refuted" in run.stdout


def test_a_new_analysis_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("precious")
    with pytest.raises(BadInput, match=r"'mine'.*not overwritten"):
        write_new("mine", tmp_path)
    assert path.read_text() == "precious"


@pytest.mark.parametrize("name", ["1st", "two words", "class", "", "../mine", "mine.py", "a-b"])
def test_a_name_that_cannot_be_is_refused_in_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", name]) == 2
    line = capsys.readouterr().err
    assert repr(name) in line
    assert "allowed: a Python identifier" in line
    assert line.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_show_tells_every_letter_with_its_range_and_every_fact(
    setting: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [" ".join(line.split()) for line in said(capsys, "show", setting.name).splitlines()]
    told = " ".join(lines)
    for x in (*setting.parameters, *setting.observables):
        written = f"{x}[...]" if isinstance(x, IndexedBase) else str(x)
        assert any(line.startswith(f"{written} {range_of(x)} ") for line in lines)
        assert " ".join(meaning(x).split()[:2]) in told
    for fact in setting.facts:
        assert constant(fact) in told
    assert "experiments" in lines


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_the_example_of_a_setting_is_python_for_one_of_its_claims(setting: Setting) -> None:
    example = example_of(setting)
    known = [x.claim for x in catalogue() if x.claim.setting == setting and not x.claim.is_rate]
    if not example:
        assert all(claim.is_finding for claim in known)
        return
    # The letters after sympy's own names: some, such as N and S, are both.
    names = {**vars(sympy), **vars(settings), **vars(symbols), "Claim": Claim}
    names |= {"Sum": sympy.Sum}
    exec(example, names)
    stated = names["MINE"]
    assert any((stated.left, stated.right, stated.assuming) == same(claim) for claim in known), example


def same(claim: Claim) -> tuple[object, ...]:
    """What two spellings of a claim have in common."""
    return claim.left, claim.right, tuple(claim.expanded(x) if hasattr(x, "lhs") else x for x in claim.assuming)


def test_show_gives_units_and_the_import_of_a_setting(capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, "show", "iwae")
    assert "from elbound.theory.settings import IWAE\n" in told
    assert "\nunits\n" in told
    assert "nats" in told
