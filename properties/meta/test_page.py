import math
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from elbound.properties.meta import synthetic
from elbound.reports.render import plots
from elbound.reports.render.page import anchor, formula, number, page, render, web
from elbound.reports.row import Verdict

PROFILE = settings(deadline=None, derandomize=True, database=None, max_examples=60)
VOID = {"meta", "br", "wbr", "input", "link", "img", "hr"}


class Reader(HTMLParser):
    """Tags, attributes and text of a page; fails on tags that do not close in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, name: str) -> list[str]:
        return [value for _, found, value in self.attributes if found == name]


def assert_sound(text: str) -> Reader:
    """One script, ids unique, links resolve, nothing is loaded, no handler and no foreign element got in."""
    read = Reader(text)
    assert read.tags["script"] == 1
    assert not read.tags.keys() & {"link", "img", "iframe", "object", "embed", "base", "image", "use"}
    ids = read.values("id")
    assert len(ids) == len(set(ids))
    links = read.values("href")
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert all(link.startswith(("#", "https://")) for link in links)
    for reference in read.values("aria-labelledby"):
        assert set(reference.split()) <= set(ids)
    names = {name for _, name, _ in read.attributes}
    assert not {name for name in names if name.startswith("on") or name in ("src", "srcset", "style", "action")}
    assert not re.search(r"url\(|@import|http-equiv|[^\s]fetch\(", text)
    return read


@pytest.fixture(scope="module")
def whole() -> str:
    return page(synthetic.rows(), synthetic.entries(), synthetic.RUN)


def test_the_page_is_sound_and_loads_nothing(whole: str) -> None:
    read = assert_sound(whole)
    assert read.tags["svg"] == 7
    assert read.tags["title"] == 1 + read.tags["svg"]
    assert read.tags["desc"] == read.tags["svg"]
    addresses = set(re.findall(r"https?://[^\s\"<]+", whole))
    assert addresses == {"https://example.org/paper"}


def test_the_page_opens_with_the_outcome_in_words_and_every_verdict_appears(whole: str) -> None:
    read = Reader(whole)
    assert "<h1>5 claims judged on 50 configurations: 1 refuted; only 1 of 2 findings fell; " in whole
    for word in (
        "supported",
        "consistent",
        "refuted",
        "not judged",
        "assumption not met",
        "error",
        "vacuous",
    ):
        assert word in read.text
    for word in ("survives", "refuted, as it must be", "supported, but must be refuted", "Smallest witness"):
        assert word in read.text
    assert "the noise-averaged output" in read.text


def test_a_rate_shows_its_slopes_and_a_verdict_on_few_configurations_how_few() -> None:
    rate = synthetic.entry("a/rate", rate=True, wrong=[], faults=[])
    shown: dict[str, Any] = {
        "verdict": Verdict.INCONSISTENT,
        "left": 0.25,
        "right": -0.5,
        "error": 0.125,
        "ratio": None,
        "certified_ratio": None,
    }
    rows = [synthetic.row("a/rate", slopes=(0.125, 0.375), reason="slope inconsistent (approximate)", **shown)]
    text = page(rows, [rate], {})
    assert_sound(text)
    read = " ".join(Reader(text).text.split())
    for expected in (
        "slope 0.25 ± 0.12 measured, −0.5 claimed",
        "Measured slope",
        "Local slopes",
        "0.125, 0.375",
        "Witness",
    ):
        assert expected in read
    assert 'class="v inconsistent"' in text
    assert "1 rate compared with measured slopes: 1 inconsistent." in read
    bound = synthetic.entry("a/bound", wrong=[], faults=[])
    outside = [synthetic.row("a/bound", 9, verdict=Verdict.ASSUMPTION_NOT_MET)]
    few = page([synthetic.row("a/bound"), *outside], [bound], {})
    assert 'on 1 configuration: 1 exact; 1 outside the assumptions</span> <span class="v vacuous">few</span>' in few
    many = page([*(synthetic.row("a/bound", j) for j in range(10)), *outside], [bound], {})
    assert '<span class="v vacuous">few</span></p>' not in many


def test_every_claim_has_a_section_an_overview_line_and_a_replay_command(whole: str) -> None:
    read = Reader(whole)
    for entry in synthetic.entries():
        assert f'<article id="{anchor(entry.name)}"' in whole
        assert f'<tr data-of="{anchor(entry.name)}"' in whole
    identities = {row.identity for row in synthetic.rows()}
    replayed = re.findall(r"elbound replay (\w+)", read.text)
    assert replayed
    assert set(replayed) <= identities


def test_sentences_of_the_papers_lead_to_the_claims_that_speak_to_them(whole: str) -> None:
    papers = whole[whole.index('<section id="papers">') : whole.index('<section id="overview">')]
    assert re.search(r'Carried by</span>\s*<a href="#c.descent.sgd-sharp">', papers)
    assert re.search(r'Qualified by</span>\s*<a href="#c.importance.monotone">', papers)
    assert re.search(r'Contradicted by</span>\s*<a href="#c.findings.loss-to-zero">', papers)
    assert papers.count("No claim of this run speaks to it") == 1


def test_hostile_names_are_shown_and_never_obeyed(whole: str) -> None:
    read = assert_sound(whole)
    assert " ".join(synthetic.HOSTILE.split()) in read.text
    assert "javascript:" not in read.values("href")
    assert "<script>alert" not in whole
    assert "49" not in re.findall(r"&amp;(\d+) ελβο", whole)


def test_two_renders_are_the_same_bytes_and_the_start_is_the_only_time(tmp_path: Path) -> None:
    path = synthetic.write(tmp_path / "ledger.sqlite", synthetic.rows(), synthetic.entries())
    first, second = (render(path, tmp_path / name).read_bytes() for name in ("one", "two"))
    assert first == second
    assert re.findall(r"\d{4}-\d\d-\d\d[T\d:Z]*", first.decode()) == [synthetic.RUN["started"]]


def test_three_thousand_rows_stay_a_small_page_and_thinning_is_said() -> None:
    text = page(synthetic.rows(3000), synthetic.entries(), synthetic.RUN)
    read = assert_sound(text)
    assert len(text.encode()) < 500_000
    assert f"{plots.POINTS} of 2,981 drawn" in read.text
    (sides,) = re.findall(r'id="c\.descent\.sgd-sharp\.sides-t".*?</svg>', text)
    assert sides.count("h0") == plots.POINTS


def test_an_empty_run_still_makes_a_page_that_says_so(tmp_path: Path) -> None:
    text = render(synthetic.write(tmp_path / "ledger.sqlite", [], [], {}), tmp_path).read_text(encoding="utf-8")
    read = assert_sound(text)
    assert "Nothing was judged." in read.text
    assert "Something could not be judged." in read.text
    assert "The ledger of this run holds no claims." in read.text


def test_anchors_are_stable_and_differ_where_names_differ() -> None:
    assert anchor("descent/sgd-sharp/last") == "c.descent.sgd-sharp.last"
    names = ["a/b", "a.b", "a_b", "a b", "a_2e_b", "A/b", "a-b", "a/b/", "ελ", ""]
    assert len({anchor(name) for name in names}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", anchor(name)) for name in names)


def test_formulas_become_mathml_that_is_well_formed() -> None:
    shown = formula(synthetic.LATEX)
    assert ElementTree.fromstring(shown).tag == "math"
    assert "<munderover>" in shown or "<msubsup>" in shown
    cases = r"\begin{cases}1 & x > 0 \\ 0 & x \le 0\end{cases}"
    assert ElementTree.fromstring(formula(cases)).find(".//mtable") is not None


@pytest.mark.parametrize(
    "latex",
    [
        r"\text{<script>alert(1)</script>}",
        r"\text{<b onclick=alert(1)>x</b>}",
        r"\href{javascript:alert(1)}{x}",
        r"\style{background:url(x)}{x}",
        r"\text{</mtext></math><img src=x>}",
        r"\text{&lt;script&gt;}" + "&",
        r"\frac{",
        "{" * 5000,
        "",
        "x" * 30_000,
    ],
)
def test_a_formula_that_cannot_be_converted_safely_is_shown_as_code(latex: str) -> None:
    shown = formula(latex)
    assert shown.startswith("<code>")
    assert Reader(shown).tags == {"code": 1}
    assert Reader(shown).text == " ".join(latex.split())


@given(st.text(alphabet="<>&\"'\\{}_^$ abfrac;#/x12=", max_size=30) | st.text(max_size=15))
@settings(PROFILE, max_examples=300)
def test_no_text_read_as_a_formula_brings_in_anything_but_mathematics(latex: str) -> None:
    read = Reader(formula(latex))
    assert not read.tags.keys() & {"script", "img", "a", "b", "svg", "style"}
    assert not {name for _, name, _ in read.attributes} & {"href", "style", "onclick", "src"}


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "//x", "http:", "x", "http://[", "file:///x"]
)
def test_only_web_addresses_become_links(link: str) -> None:
    assert web(link) == ""
    assert web("https://example.org/a") == "https://example.org/a"


def test_numbers_are_shown_as_they_are() -> None:
    assert [number(v) for v in (None, 0.1 + 0.2, -2.0, math.inf, -math.inf, math.nan, 12345, True, "inf")] == [
        "–",
        "0.3",
        "−2",
        "∞",
        "−∞",
        "nan",
        "12,345",
        "True",
        "inf",
    ]


EXTREME = st.floats() | st.sampled_from([5e-324, 1e-300, 1.7e308, -1.7e308, 0.0, 1.0, 1.0 + 2**-52])


@given(
    sides=st.lists(st.tuples(EXTREME, EXTREME, EXTREME), min_size=1, max_size=5),
    curve=st.dictionaries(
        st.sampled_from(["x", "observed", "bound", "low", "high", "<i>"]),
        st.lists(EXTREME, min_size=2, max_size=2) | st.lists(EXTREME, max_size=4),
    ),
)
@example(sides=[(math.nan, math.inf, math.nan)], curve={"x": [1.0, math.nan], "observed": [math.nan, math.inf]})
@example(sides=[(1.0, 1.0, 1.0)], curve={"observed": [math.nan, 1.0], "bound": [1.0, math.nan]})
@settings(PROFILE, max_examples=120)
def test_any_numbers_make_figures_that_stay_on_their_paper(
    sides: list[tuple[float, float, float]], curve: dict[str, list[float]]
) -> None:
    rows = [
        synthetic.row("a", i, left=left, right=right, ratio=ratio, curves=curve)
        for i, (left, right, ratio) in enumerate(sides)
    ]
    figures = [plots.histogram("h", rows), plots.scatter("s", rows), plots.curves("c", rows[0])]
    for figure in (figure for figure in figures if figure is not None):
        ElementTree.fromstring(figure.svg)
        assert not re.search(r"nan|inf\b", re.sub(r"<(title|desc).*?</\1>", "", figure.svg))
        for drawn in re.findall(r'class="(?:dot|line \w+|bar)" d="([^"]*)"', figure.svg):
            for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", drawn):
                assert -1 <= float(x) <= plots.WIDTH + 1
                assert -1 <= float(y) <= plots.HEIGHT + 1


@given(
    words=st.lists(st.text(max_size=12), min_size=8, max_size=8),
    numbers=st.lists(EXTREME | st.none(), min_size=6, max_size=6),
    verdict=st.sampled_from(Verdict),
    version=st.sampled_from(["", "wrong: half", "fault: x", "other"]),
)
@PROFILE
def test_any_words_and_numbers_make_a_sound_page(
    words: list[str], numbers: list[float | None], verdict: Verdict, version: str
) -> None:
    entry = synthetic.entry(words[0], title=words[1], latex=words[2], statement=words[3], source_link=words[4])
    fields = ("left", "right", "ratio", "certified_ratio", "error", "log_e")
    measured: dict[str, Any] = dict(zip(fields, numbers, strict=True))
    row = synthetic.row(
        words[0],
        0,
        version=version,
        verdict=verdict,
        origin=f"instance: {words[5]}",
        reason=words[6],
        configuration={words[7]: words[1]},
        **measured,
    )
    assert_sound(page([row, synthetic.row(words[0], 1)], [entry], synthetic.RUN))
