"""The page in a real browser: what a reader sees, touches and prints, and that nothing leaves the machine.

`make browser` installs what these tests drive; without it each says so and is skipped, except where CI is set.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from elbound.properties.docket import entry_of, papers
from elbound.properties.meta import synthetic
from elbound.reports.render.page import page as drawn
from elbound.reports.row import Entry, Row
from elbound.theory.catalogue import catalogue

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WANTED = "make browser"
try:
    from playwright.sync_api import Browser, Page, sync_playwright
except ImportError:
    CHROMIUM = None

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and "CI" not in os.environ, reason=f"no browser to drive: {WANTED} brings it"),
]

UNRESOLVED = """() => [...document.querySelectorAll('a[href^="#"]')]
    .map(link => decodeURIComponent(link.getAttribute('href').slice(1)))
    .filter(name => !document.getElementById(name))"""
OVERFLOWING = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
NO_SIZE = """() => [...document.querySelectorAll('.statement math')]
    .filter(one => one.getBoundingClientRect().width < 5).length"""


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole catalogue's entries with a few made-up rows for each, a hostile name, and the papers' sentences."""
    entries: list[Entry] = [*map(entry_of, catalogue()), synthetic.entry(synthetic.HOSTILE)]
    rows: list[Row] = [synthetic.row(entry.name, i) for entry in entries for i in range(3)]
    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(drawn(rows, entries, {**synthetic.RUN, "papers": papers()}), encoding="utf-8")
    return path


class Visit:
    """An opened page, with everything it said on the console and everything it asked for."""

    def __init__(self, browser: "Browser", path: Path, **context: Any) -> None:
        self.page: Page = browser.new_context(**context).new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def shown(self) -> int:
        return int(self.page.locator("article:visible").count())


def test_the_page_is_silent_asks_for_nothing_and_every_link_resolves(browser: "Browser", report: Path) -> None:
    visit = Visit(browser, report)
    assert visit.page.evaluate(UNRESOLVED) == []
    assert visit.said == []
    assert visit.asked == [report.as_uri()]


def test_statements_are_laid_out_as_mathematics(browser: "Browser", report: Path) -> None:
    visit = Visit(browser, report)
    assert visit.page.locator(".statement math").count() > len(catalogue()) // 2
    assert visit.page.evaluate(NO_SIZE) == 0


def test_the_filter_finds_by_verdict_kind_setting_paper_and_text(browser: "Browser", report: Path) -> None:
    visit = Visit(browser, report)
    everything = visit.shown()
    assert everything == len(catalogue()) + 1
    findings = sum(listed.claim.is_finding for listed in catalogue())
    visit.page.select_option("select[name=kind]", "finding")
    assert visit.shown() == findings
    visit.page.select_option("select[name=kind]", "")
    first = catalogue()[0].claim.setting
    visit.page.select_option("select[name=setting]", first.title)
    assert visit.shown() == sum(listed.claim.setting.title == first.title for listed in catalogue())
    visit.page.select_option("select[name=setting]", "")
    visit.page.select_option("select[name=paper]", index=1)
    assert 0 < visit.shown() < everything
    visit.page.select_option("select[name=paper]", "")
    visit.page.fill("input[name=text]", "sgd-sharp")
    assert 0 < visit.shown() < 20
    assert visit.page.locator("output").inner_text().startswith(f"{visit.shown()} of {everything}")


def test_names_from_files_stay_text(browser: "Browser", report: Path) -> None:
    visit = Visit(browser, report)
    assert visit.said == []
    assert visit.page.locator("article h3", has_text="<script>alert(1)</script>").count() == 1
    assert visit.page.locator("script").count() == 1


def test_without_script_everything_is_there_and_no_dead_filter_is(browser: "Browser", report: Path) -> None:
    visit = Visit(browser, report, java_script_enabled=False)
    assert visit.shown() == len(catalogue()) + 1
    assert not visit.page.locator("#filter").is_visible()
    assert visit.page.locator("details summary").first.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_without_sideways_scrolling(browser: "Browser", report: Path, scheme: Any) -> None:
    visit = Visit(browser, report, viewport={"width": 375, "height": 700}, color_scheme=scheme)
    assert not visit.page.evaluate(OVERFLOWING)


def test_dark_and_light_differ_and_both_can_be_read(browser: "Browser", report: Path) -> None:
    def contrast(scheme: Any) -> float:
        colours = Visit(browser, report, color_scheme=scheme).page.evaluate(
            "() => [getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        light, dark = sorted(map(luminance, colours), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    # WCAG 2 asks for 4.5 to 1 of body text.
    assert contrast("light") > 4.5
    assert contrast("dark") > 4.5


def luminance(colour: str) -> float:
    """Relative luminance of an rgb(...) colour, by WCAG 2."""
    shares = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_the_keyboard_reaches_the_filter_and_opens_a_derivation(browser: "Browser", report: Path) -> None:
    visit = Visit(browser, report)
    visit.page.focus("select[name=verdict]")
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("() => document.activeElement.name") == "kind"
    summary = visit.page.locator("details summary").first
    summary.focus()
    visit.page.keyboard.press("Enter")
    assert visit.page.locator("details[open]").count() == 1


def test_on_paper_derivations_are_open_and_controls_are_gone(browser: "Browser", report: Path) -> None:
    visit = Visit(browser, report)
    visit.page.emulate_media(media="print")
    assert visit.page.locator("details pre").first.bounding_box() is not None
    assert not visit.page.locator("#filter").is_visible()
    assert len(visit.page.pdf()) > 10_000


def test_every_figure_has_a_text_alternative(browser: "Browser", report: Path) -> None:
    visit = Visit(browser, report)
    missing = visit.page.evaluate(
        """() => [...document.querySelectorAll('svg')].filter(
            svg => !document.getElementById((svg.getAttribute('aria-labelledby') || '').split(' ')[0])
                && !svg.getAttribute('aria-label')).length"""
    )
    assert visit.page.locator("svg").count() > 0
    assert missing == 0
