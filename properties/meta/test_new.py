"""`elbound new`, and what `show` and `list` tell of a setting: enough to write a claim by."""

from pathlib import Path
from typing import Any

import pytest
import sympy
from sympy import IndexedBase

from elbound.properties.analysis import BadInput, read_analysis
from elbound.properties.cli import main
from elbound.properties.listing import all_settings, constant, example_of, range_of
from elbound.properties.starting import write_new
from elbound.theory import evaluate, settings, symbols
from elbound.theory.catalogue import catalogue
from elbound.theory.claim import Claim, Fact, Setting, meaning

SETTINGS = all_settings()


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 0
    return capsys.readouterr().out


def test_a_new_analysis_is_judged_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_new("my_first", tmp_path)
    (listed,) = read_analysis(path, 60.0).listed
    assert listed.name == "my_first"
    assert listed.title.startswith("The importance-weighted bound")
    monkeypatch.chdir(tmp_path)
    told = said(capsys, "check", path.name, "--profile", "quick", "--workers", "1")
    assert "none refuted; 1 of 1 wrong version was refuted" in told


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
    names = {**vars(sympy), **vars(evaluate), **vars(settings), **vars(symbols), "Claim": Claim, "Sum": sympy.Sum}
    exec(example, names)
    assert any(alike(names["MINE"], claim) for claim in known), example


def alike(one: Claim, other: Claim) -> bool:
    """Whether two claims say the same: equal facts, and equal sides wherever the letters are small numbers."""
    facts = [{x for x in claim.assuming if isinstance(x, Fact)} for claim in (one, other)]
    values = [[value(side) for side in (claim.left, claim.right)] for claim in (one, other)]
    # A few hundred operations of relative error 2^-53 each, cancelling by less than 10^4.
    return facts[0] == facts[1] and values[0] == pytest.approx(values[1], rel=1e-9, nan_ok=True)


def value(side: Any) -> float:
    letters = sorted(evaluate.symbols_of(side), key=str)
    scalars = {x: 3 if x.is_integer else 0.5 + 0.03 * j for j, x in enumerate(letters) if isinstance(x, sympy.Symbol)}
    curves = {x: curve for x in letters if isinstance(x, IndexedBase)}
    return float(evaluate.evaluate(side, scalars | curves))


def curve(index: Any) -> float:
    return 1 + 0.1 * float(index)


def test_show_gives_units_and_the_import_of_a_setting(capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, "show", "iwae")
    assert "from elbound.theory.settings import IWAE\n" in told
    assert "\nunits\n" in told
    assert "nats" in told
