"""Figures as inline SVG text, coloured by the page's style sheet: one drawing serves light, dark and print.

Written out directly, because a page holds three figures per claim: the same points and axes take a tenth of
the bytes a plotting library needs, carry no generated ids, and are the same bytes on every machine.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup, escape

from elbound.reports.row import Row

WIDTH, HEIGHT = 380, 250
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 14, 44
POINTS = 400  # drawn in one scatter; the rest is thinned, and the caption says so
SAMPLES = 160  # drawn along one curve
BINS = 24
HUES = 6  # of claims drawn together; numbers tell them apart where colours repeat


Point = tuple[Row, float, float]  # right side, left side
Path = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Figure:
    """An SVG element and the sentence under it."""

    svg: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from start to stop pixels over [low, high]; low and high are base-10 logarithms where log."""

    low: float
    high: float
    start: float
    stop: float
    log: bool
    whole: bool = False

    @classmethod
    def over(cls, values: Sequence[float], pixels: tuple[float, float], *, log: bool) -> "Scale":
        """The axis that holds all values with a small margin."""
        places = [math.log10(v) for v in values] if log else list(values)
        low, high = min(places), max(places)
        size = max(abs(low), abs(high))
        margin = 0.05 * (high - low)
        if high - low <= 1e-12 * size or high - low < 1e-290:  # one value, or as good as one
            margin = 0.3 if log else max(0.3 * size, 1e-280)
        return cls(low - margin, high + margin, *pixels, log)

    def at(self, value: float) -> float:
        """The pixel of a value."""
        place = math.log10(value) if self.log else value
        return self.start + (self.stop - self.start) * (place - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Pixels and labels of about five round places."""
        span = self.high - self.low
        if self.log and (span >= 2 or max(abs(self.low), abs(self.high)) > 290):  # 10**309 overflows
            apart = max(1, math.ceil(span / 5))
            return [(self._pixel(k), _power(k)) for k in _multiples(self.low, self.high, apart)]
        if self.log and span >= 0.9:
            marks = [(math.log10(m) + k, k, m) for k in _multiples(self.low - 1, self.high, 1) for m in (1, 2, 5)]
            return [(self._pixel(u), f"{m * 10.0**k:.6g}") for u, k, m in marks if self.low <= u <= self.high]
        low, high = (10.0**self.low, 10.0**self.high) if self.log else (self.low, self.high)
        step = max(_round_step(high - low), 1.0 if self.whole else 0.0)
        return [(self.at(k * step), f"{k * step:.6g}") for k in _multiples(low / step, high / step, 1)]

    def _pixel(self, place: float) -> float:
        return self.start + (self.stop - self.start) * (place - self.low) / (self.high - self.low)


def _multiples(low: float, high: float, step: int) -> list[int]:
    first = math.ceil(low / step) * step
    return list(range(first, math.floor(high) + 1, step))


def _round_step(span: float) -> float:
    raw = span / 4
    power = 10.0 ** math.floor(math.log10(raw))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)


def _power(exponent: int) -> str:
    if abs(exponent) <= 3:
        return f"{10.0**exponent:g}"
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _px(pixel: float) -> str:
    return f"{pixel:.1f}".removesuffix(".0")


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_px(x)} {_px(y)}" for x, y in points)


def _frame(
    identity: str,
    title: str,
    described: str,
    labels: tuple[str, str],
    x: Scale,
    y: Scale,
    body: str,
    *,
    below: float = 0,
) -> Markup:
    """Axes, grid and labels around a body, with room below; title and description are for who does not see it."""
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    grid = "".join(f"M{_px(p)} {TOP}V{floor}" for p, _ in x.ticks())
    grid += "".join(f"M{LEFT} {_px(p)}H{right}" for p, _ in y.ticks())
    words = "".join(f'<text x="{_px(p)}" y="{floor + 15}" class="mid">{label}</text>' for p, label in x.ticks())
    words += "".join(f'<text x="{LEFT - 6}" y="{_px(p + 3.5)}" class="end">{label}</text>' for p, label in y.ticks())
    middle = (TOP + floor) / 2
    words += f'<text x="{(LEFT + right) / 2:g}" y="{HEIGHT - 8}" class="mid name">{labels[0]}</text>'
    words += f'<text transform="translate(13 {middle:g}) rotate(-90)" class="mid name">{labels[1]}</text>'
    head = Markup('<title id="{0}-t">{1}</title><desc id="{0}-d">{2}</desc>').format(identity, title, described)
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + below:g}" role="img" aria-labelledby="{identity}-t {identity}-d">{head}'
        f'<path class="grid" d="{grid}"/>{body}'
        f'<path class="axis" d="M{LEFT} {TOP}V{floor}H{right}"/>{words}</svg>'
    )


def _axes(xs: Sequence[float], ys: Sequence[float], *, log: tuple[bool, bool]) -> tuple[Scale, Scale]:
    return (
        Scale.over(xs, (LEFT, WIDTH - RIGHT), log=log[0]),
        Scale.over(ys, (HEIGHT - BOTTOM, TOP), log=log[1]),
    )


def histogram(identity: str, rows: Sequence[Row]) -> Figure | None:
    """How the ratios of the judged rows are distributed, on a log axis with 1 marked; None if none fits."""
    ratios = [row.ratio for row in rows if row.judged and row.ratio is not None]
    drawn = [r for r in ratios if 0 < r < math.inf]
    if not drawn:
        return None
    x, _ = _axes([*drawn, 1.0], [0.0], log=(True, False))
    counts = [0] * BINS
    for ratio in drawn:
        counts[min(BINS - 1, int(BINS * (math.log10(ratio) - x.low) / (x.high - x.low)))] += 1
    floor = HEIGHT - BOTTOM
    y = Scale(0.0, max(counts) * 1.08, floor, TOP, log=False, whole=True)
    wide = (x.stop - x.start) / BINS
    bars = "".join(
        f"M{_px(x.start + i * wide + 0.7)} {floor}V{_px(y.at(n))}h{_px(wide - 1.4)}V{floor}z"
        for i, n in enumerate(counts)
        if n
    )
    body = f'<path class="bar" d="{bars}"/><path class="one" d="M{_px(x.at(1.0))} {floor}V{TOP}"/>'
    left = len(ratios) - len(drawn)
    described = f"{len(drawn)} ratios from {min(drawn):.3g} to {max(drawn):.3g}; the dashed line marks 1."
    caption = "Ratio of the two sides per judged configuration; at the dashed line, 1, the bound is attained."
    caption += f" Not drawn, being zero, negative or not finite: {left:,}." if left else ""
    svg = _frame(identity, "Histogram of ratios", described, ("ratio", "configurations"), x, y, body)
    return Figure(svg, caption)


def scatter(identity: str, rows: Sequence[Row]) -> Figure | None:
    """Left against right side of every judged row, log-log, with the line of equality; None if none fits."""
    both = [(row, row.right, row.left) for row in rows if row.judged and row.left is not None and row.right is not None]
    drawn = [(row, p, q) for row, p, q in both if 0 < p < math.inf and 0 < q < math.inf]
    if not drawn:
        return None
    shown = _thin(drawn)
    sides = [side for _, p, q in shown for side in (p, q)]
    x, y = _axes(sides, sides, log=(True, True))  # one range for both, so that the line of equality is a diagonal
    body = f'<path class="one" d="{_path([(x.start, y.start), (x.stop, y.stop)])}"/>'
    fell = [(x.at(p), y.at(q)) for row, p, q in shown if row.contradicted]
    held = [(x.at(p), y.at(q)) for row, p, q in shown if not row.contradicted]
    body += f'<path class="dot" d="{"".join(f"M{_px(p)} {_px(q)}h0" for p, q in held)}"/>' if held else ""
    body += f'<path class="cross" d="{"".join(map(_cross, fell))}"/>' if fell else ""
    described = f"{len(held)} dots, and {len(fell)} crosses for refuted configurations, with the line of equality."
    caption = _scatter_caption(len(both), len(drawn), len(shown), refuted=bool(fell))
    svg = _frame(identity, "Left side against right side", described, ("right side", "left side"), x, y, body)
    return Figure(svg, caption)


def beside(identity: str, rival: str, pairs: Sequence[Point]) -> Figure | None:
    """A claim's right side against that of a known claim, log-log, with the line where both agree; None if none fits.

    The pairs are (row, right side of the claim, right side of the known one).
    """
    drawn = [(row, known, own) for row, own, known in pairs if 0 < own < math.inf and 0 < known < math.inf]
    if not drawn:
        return None
    shown = _thin(drawn)
    sides = [side for _, p, q in shown for side in (p, q)]
    x, y = _axes(sides, sides, log=(True, True))
    dots = "".join(f"M{_px(x.at(p))} {_px(y.at(q))}h0" for _, p, q in shown)
    body = f'<path class="one" d="{_path([(x.start, y.start), (x.stop, y.stop)])}"/><path class="dot" d="{dots}"/>'
    described = f"{len(shown)} dots, one for each configuration, with the line on which both bounds are the same."
    svg = _frame(identity, "This bound against a known one", described, ("known bound", "this bound"), x, y, body)
    caption = f"This bound against that of {rival}, configuration by configuration; on the dashed line they agree."
    if len(shown) < len(pairs):
        caption += f" {len(shown):,} of {len(pairs):,} drawn."
    return Figure(svg, caption)


def _scatter_caption(both: int, drawn: int, shown: int, *, refuted: bool) -> str:
    caption = "Each dot is one configuration" + (", each cross a refuted one" if refuted else "")
    caption += "; on the dashed line both sides are equal."
    if shown < drawn:
        caption += f" {shown:,} of {drawn:,} drawn: {POINTS // 2} refuted or sharpest, the rest evenly spread."
    if drawn < both:
        caption += f" Not drawn, a side being zero, negative or not finite: {both - drawn:,}."
    return caption


def _cross(place: tuple[float, float]) -> str:
    x, y = _px(place[0] - 3.5), _px(place[1] - 3.5)
    return f"M{x} {y}l7 7m0-7l-7 7"


def _thin(drawn: Sequence[Point]) -> list[Point]:
    """At most POINTS rows: the refuted and then the sharpest first, the rest evenly spread over ratios."""

    def rank(point: Point) -> tuple[bool, float, str]:
        row = point[0]
        return (not row.contradicted, -(row.ratio or 0.0), row.identity)

    ranked = sorted(drawn, key=rank)
    if len(ranked) <= POINTS:
        return ranked
    kept = POINTS // 2
    step = (len(ranked) - kept - 1) / (POINTS - kept - 1)
    return ranked[:kept] + [ranked[kept + round(i * step)] for i in range(POINTS - kept)]


_STYLES = {"observed": "solid", "bound": "dashed"}  # every other curve is dotted


def curves(identity: str, row: Row) -> Figure | None:
    """The curves of one row over its "x", on log axes where all is positive; None if nothing can be drawn.

    Time alone is linear: what decays at a rate is then a straight line.
    """
    lines = {name: _line(row.curves, name) for name in sorted(row.curves) if name != "x"}
    lines = {name: line for name, line in lines.items() if line}
    if not lines:
        return None
    xs, ys = ([place[i] for line in lines.values() for place in line] for i in (0, 1))
    x, y = _axes(xs, ys, log=(min(xs) > 0 and _index(row) != _TIME, min(ys) > 0))
    band = {"low", "high"} & lines.keys() if {"low", "high"} <= lines.keys() else set()
    body = _band(lines["low"], lines["high"], x, y) if band else ""
    for name in sorted(lines.keys() - band):
        path = _path((x.at(p), y.at(q)) for p, q in lines[name])
        body += f'<path class="line {name if name in _STYLES else "other"}" d="{path}"/>'
    described = "; ".join(f"{name} ends at {line[-1][1]:.3g}" for name, line in lines.items()) + "."
    caption = _curves_caption(row, lines, band)
    svg = _frame(identity, "Curves of one configuration", described, (_index(row), "value"), x, y, body)
    return Figure(svg, caption)


def together(identity: str, rows: Sequence[Row]) -> Figure | None:
    """Observed (solid) and bound (dashed) of several claims on one configuration, numbered in pairs, on log axes.

    Time alone is linear: what decays at a rate is then a straight line.
    """
    pairs = [(row.claim, _line(row.curves, "observed"), _line(row.curves, "bound")) for row in rows]
    pairs = [pair for pair in pairs if pair[1] and pair[2] and min(q for _, q in pair[1] + pair[2]) > 0]
    if len(pairs) < 2:
        return None
    everywhere = [place for _, observed, bound in pairs for place in observed + bound]
    x, y = _axes([p for p, _ in everywhere], [q for _, q in everywhere], log=(_index(rows[0]) != _TIME, True))
    body = ""
    for number, (_, observed, bound) in enumerate(pairs, start=1):
        for name, line in (("observed", observed), ("bound", bound)):
            path = _path((x.at(p), y.at(q)) for p, q in line)
            body += f'<path class="line {name} hue{number % HUES}" d="{path}"/>'
            p, q = line[-1]
            body += f'<text x="{_px(x.at(p) + 3)}" y="{_px(y.at(q) + 3.5)}">{number}</text>'
    names = "; ".join(f"{number}: {claim}" for number, (claim, *_) in enumerate(pairs, start=1))
    described = f"Solid lines are observed, dashed ones bounds, by number: {names}."
    title = f"All claims on {rows[0].experiment}, {rows[0].origin}"
    svg = _frame(identity, title, described, (_index(rows[0]), "both sides of the claim"), x, y, body)
    return Figure(svg, f"{rows[0].experiment}, {rows[0].origin.removeprefix('instance: ')}. {described}")


_TIME = "time τ"
_INDICES = {"n": "steps n", "m": "width m", "tau": _TIME, "K": "samples K"}


def _index(row: Row) -> str:
    """What the curves run over: the parameter whose value in this row they end at."""
    ends = [name for name in _INDICES if row.curves.get("x") and row.parameters.get(name) == row.curves["x"][-1]]
    return _INDICES[ends[0]] if ends else "index"


def _curves_caption(row: Row, lines: Mapping[str, object], band: set[str]) -> str:
    said = [f"{_STYLES.get(name, 'dotted')}: {name}" for name in lines if name not in band]
    said += ["band: low to high"] if band else []
    caption = f"{row.identity} ({row.origin}): {'; '.join(said)}."
    longest = max(len(row.curves[name]) for name in lines)
    caption += f" Drawn through at most {SAMPLES} of {longest:,} places." if longest > SAMPLES else ""
    missing = [name for name in row.curves if name != "x" and name not in lines]
    caption += f" Not drawn, not finite or not as long as x: {', '.join(missing)}." if missing else ""
    return caption


def _band(
    low: Sequence[tuple[float, float]], high: Sequence[tuple[float, float]], x: Scale, y: Scale, hue: str = ""
) -> str:
    outline = [*low, *reversed(high)]
    return f'<path class="{f"band {hue}".rstrip()}" d="{_path((x.at(p), y.at(q)) for p, q in outline)}z"/>'


def _line(given: Mapping[str, Sequence[float]], name: str) -> list[tuple[float, float]]:
    """The finite points of one curve, at most SAMPLES of them, both ends kept; none if "x" misfits."""
    values = given[name]
    xs = given.get("x", range(1, len(values) + 1))
    if len(xs) != len(values):
        return []
    places = [(float(p), q) for p, q in zip(xs, values, strict=True) if abs(p) < 1e300 and abs(q) < 1e300]
    if len(places) <= SAMPLES:
        return places
    step = (len(places) - 1) / (SAMPLES - 1)
    return [places[round(i * step)] for i in range(SAMPLES)]


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a family: whose it is, its points, where there is one its band, and whether it is what code logs."""

    name: str
    points: Path
    band: tuple[Path, Path] | None = None
    logged: bool = False


def family(identity: str, title: str, labels: tuple[str, str], curves: Sequence[Curve], *, log: bool) -> Markup:
    """Curves over a logarithmic index, numbered and coloured by name, bands behind, names below; logged ones dotted.

    The vertical axis is logarithmic if asked for and everything is positive.
    """
    everywhere = [place for curve in curves for part in (curve.points, *(curve.band or ())) for place in part]
    xs, ys = [p for p, _ in everywhere], [q for _, q in everywhere]
    x, y = _axes(xs, ys, log=(True, log and min(ys) > 0))
    x = replace(x, stop=x.stop - 10)  # room for the numbers at the lines' ends
    numbers = {name: i for i, name in enumerate(dict.fromkeys(curve.name for curve in curves), start=1)}
    hues = {name: f"hue{i % HUES}" for name, i in numbers.items()}
    body = "".join(_band(*c.band, x, y, hues[c.name]) for c in curves if c.band)
    for curve in curves:
        path = _path((x.at(p), y.at(q)) for p, q in curve.points)
        body += f'<path class="line {"logged " if curve.logged else ""}{hues[curve.name]}" d="{path}"/>'
    ends = sorted((y.at(c.points[-1][1]), numbers[c.name]) for c in curves)
    for place, number in zip(_apart([place for place, _ in ends]), (n for _, n in ends), strict=True):
        body += f'<text x="{_px(x.stop + 3)}" y="{_px(place + 3.5)}">{number}</text>'
    names = [(f"{i}: {name}", hues[name]) for name, i in numbers.items()]
    rows = -(-len(names) // _LEGEND_COLUMNS)
    body += "".join(_legend_entry(i, *entry) for i, entry in enumerate(names))
    described = "; ".join(
        f"{c.name}{' as logged' if c.logged else ''} goes from {c.points[0][1]:.3g} to {c.points[-1][1]:.3g}"
        for c in curves
    )
    return _frame(identity, title, f"{described}.", labels, x, y, body, below=rows * _LEGEND_ROW + 4)


_LEGEND_COLUMNS, _LEGEND_ROW = 3, 15


def _legend_entry(place: int, name: str, hue: str) -> str:
    left = LEFT + (place % _LEGEND_COLUMNS) * (WIDTH - LEFT - RIGHT) / _LEGEND_COLUMNS
    top = HEIGHT + (place // _LEGEND_COLUMNS) * _LEGEND_ROW + 6
    swatch = f'<path class="line {hue}" d="M{_px(left)} {_px(top)}h18"/>'
    return swatch + f'<text x="{_px(left + 23)}" y="{_px(top + 3.5)}">{escape(name)}</text>'


def _apart(places: Sequence[float], least: float = 9.5) -> list[float]:
    """Sorted places moved up or down until neighbours are that far from one another, within the axes' height."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + least) if moved else place)
    excess = max(moved[-1] - (HEIGHT - BOTTOM - 4), 0.0) if moved else 0.0
    for i in reversed(range(len(moved))):
        ceiling = moved[i + 1] - least if i + 1 < len(moved) else moved[i] - excess
        moved[i] = min(moved[i], ceiling)
    return moved
