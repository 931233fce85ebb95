"""Pictures of a site as SVG text: sensitivity against waiting, and bars; standard library only.

Colours come from the page's style sheet by class, so that light and dark are one picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from .merge import Site
from .recommendation import name, sensitivity, wait_is, wait_ms
from .tables import mib, milliseconds

Json = dict[str, Any]

ENGINES = ("tflite", "onnx", "openvino")
TICKS: tuple[float, ...] = (
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    1000,
    2000,
    5000,
    10000,
    20000,
    50000,
)
ENOUGH_TICKS, EVEN_TICKS = 3, 5
LANE, PANEL = 54, 220  # pixels: a model's lane, and the panel of measured sensitivity
LABEL = 14  # pixels a narrow lane has above its marks for its name
SMALLEST, LARGEST = 3.0, 11.0  # radius of a mark
BAR, GAP = 15, 7
LEGEND_STEP, LEGEND_HEIGHT = 100, 26


def quickest(rows: Sequence[Json]) -> list[Json]:
    """Return of each artifact, backend and kind the row with the thread count that is quickest."""
    best: dict[tuple[str, ...], Json] = {}
    for row in rows:
        if row["status"] != "ok":
            continue
        key = (row["digest"] or row["bundle"], row["backend"], row["kind"])
        if key not in best or wait_ms(row) < wait_ms(best[key]):
            best[key] = row
    return list(best.values())


class Axis:
    """A logarithmic axis of milliseconds.

    Parameters
    ----------
    values : sequence of float
    left, right : float
        Pixels of its ends.
    """

    def __init__(self, values: Sequence[float], left: float, right: float) -> None:
        low, high = min(values) / 1.25, max(values) * 1.25
        self.ticks = [tick for tick in TICKS if low <= tick <= high]
        if len(self.ticks) < ENOUGH_TICKS:  # within less than a decade
            self.ticks = _even(low, high)
        self._low, self._high = math.log(low), math.log(high)
        self._left, self._right = left, right

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        share = (math.log(value) - self._low) / (self._high - self._low)
        return round(self._left + share * (self._right - self._left), 1)


def _even(low: float, high: float) -> list[float]:
    """Return round numbers at even distances."""
    rough = (high - low) / EVEN_TICKS
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * times for times in (1, 2, 5, 10) if size * times >= rough)
    first = math.ceil(low / step)
    return [round(step * at, 6) for at in range(first, math.floor(high / step) + 1)]


def pareto(site: Site, width: int) -> str:
    """Return the picture of a site: each mark an artifact on an engine.

    Parameters
    ----------
    site : Site
    width : int
        Pixels it is drawn for; text keeps its size.

    Returns
    -------
    str
        Across: from the file to the answer, 95th percentile, logarithmic. Up: sensitivity, where
        it was measured; all others stand below, in a lane for their model, so that no height is
        read into them. The area of a mark is the peak memory.
    """
    rows = quickest(site.rows)
    if not rows:
        return ""
    narrow = width < 600
    left, right = (40 if narrow else 118), width - 16
    axis = Axis([wait_ms(row) for row in rows], left + 14, right - 14)
    judged = [row for row in rows if sensitivity(row) is not None]
    others = [row for row in rows if sensitivity(row) is None]
    models = list(dict.fromkeys(row["model"] for row in sorted(others, key=wait_ms)))
    biggest = max((row["peak_mib"] or 0.0 for row in rows), default=0.0) or 1.0
    parts: list[str] = []
    top = 8.0
    step = LANE + (LABEL if narrow else 0)
    bottom = top + (PANEL if judged else 0) + step * len(models) + (22 if models and judged else 0)
    for tick in axis.ticks:
        x = axis(tick)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>')
        parts.append(
            f'<text class="tick" x="{x}" y="{bottom + 16}" text-anchor="middle">{tick:g}</text>'
        )
    if judged:
        parts += _panel(judged, axis, (left, right, top), biggest)
        top += PANEL
        if models:
            parts.append(
                f'<text class="note" x="{left}" y="{top + 14}">sensitivity not measured</text>'
            )
            top += 22
    for number, model in enumerate(models):
        lane = [row for row in others if row["model"] == model]
        parts += _lane(model, lane, axis, (left, right, top + step * number, narrow), biggest)
    figures = {wait_is(row) for row in rows}
    title = "ms, 95th percentile" if narrow else "ms from the file to the answer, 95th percentile"
    if any("95" not in figure for figure in figures):
        title += " (median where samples are few)"
    x = (left + right) / 2
    parts.append(
        f'<text class="axis" x="{x}" y="{bottom + 36}" text-anchor="middle">{title}</text>'
    )
    label = f"{site.title}: sensitivity and waiting time of {len(rows)} artifacts"
    return _svg(parts, width, bottom + 46, label)


def standalone(site: Site, width: int, css: str) -> str:
    """Return the picture of `pareto` as a file of its own, with its legend and style sheet."""
    picture = pareto(site, width)
    if not picture:
        return ""
    parts, x = [], 8.0
    swatch = '<rect class="{}" x="{}" y="4" width="12" height="12" rx="3"/>'
    for engine in ENGINES:
        parts.append(swatch.format(engine, x))
        parts.append(f'<text x="{x + 18}" y="14">{engine}</text>')
        x += LEGEND_STEP
    for precision, shape in SHAPES.items():
        points = " ".join(
            f"{x + 6 + 5.5 * dx:.1f},{10 + 5.5 * dy:.1f}" for dx, dy in CORNERS.get(shape, ())
        )
        grey = 'style="fill:var(--soft)"'
        parts.append(
            f'<polygon {grey} points="{points}"/>'
            if points
            else f'<circle {grey} cx="{x + 6}" cy="10" r="5.5"/>'
        )
        parts.append(f'<text x="{x + 18}" y="14">{precision}</text>')
        x += LEGEND_STEP
    parts.append(f'<text x="{x}" y="14">area: peak memory</text>')
    height = float(picture.split('height="', 1)[1].split('"', 1)[0])
    inner = picture.replace("<svg ", f'<svg y="{LEGEND_HEIGHT}" ', 1)
    style = f"<style><![CDATA[{css}]]></style>"
    return _svg([style, *parts, inner], width, height + LEGEND_HEIGHT, site.title)


def bars(site: Site, width: int, longest: float) -> str:
    """Return the bars of a site: each artifact on its quickest engine.

    Parameters
    ----------
    site : Site
    width : int
    longest : float
        Milliseconds of the longest bar of all sites: one scale for all of them.
    """
    rows = fastest_engines(site)
    if not rows:
        return ""
    left = 146 if width < 600 else 190
    room = width - left - (52 if width < 600 else 200)
    parts: list[str] = []
    for number, row in enumerate(rows):
        y = number * (BAR + GAP) + 4
        whole = (row["end_to_end"] or row["latency"])["p50_ms"]
        model = min(row["latency"]["p50_ms"], whole) if row["latency"] else whole
        text = f"{row['model']} {row['precision']}"
        said = milliseconds(whole)
        if width >= 600:
            said += f" ms · {row['backend']}, {row['threads']} threads"
        tint = f"{row['backend']} {row['kind']}"
        parts += [
            f'<text class="label" x="{left - 8}" y="{y + 12}" text-anchor="end">'
            f"{escape(text)}</text>",
            f'<g class="{tint}"><title>{escape(_tip(row))}</title>',
            f'<rect class="rest" x="{left}" y="{y}" height="{BAR}" '
            f'width="{max(room * whole / longest, 1):.1f}"/>',
            f'<rect class="bar" x="{left}" y="{y}" height="{BAR}" '
            f'width="{max(room * model / longest, 1):.1f}"/></g>',
            f'<text class="value" x="{left + max(room * whole / longest, 1) + 6:.1f}" '
            f'y="{y + 12}">{escape(said)}</text>',
        ]
    return _svg(parts, width, len(rows) * (BAR + GAP) + 8, f"{site.title}: median waiting time")


def fastest_engines(site: Site) -> list[Json]:
    """Return each bundle's row on the engine that answers soonest, quickest first."""
    best: dict[str, Json] = {}
    for row in quickest(site.rows):
        key = f"{row['digest'] or row['bundle']} {row['kind']}"
        if key not in best or _median(row) < _median(best[key]):
            best[key] = row
    return sorted(best.values(), key=_median)


def _median(row: Json) -> float:
    return float((row["end_to_end"] or row["latency"])["p50_ms"])


def _panel(
    rows: list[Json], axis: Axis, box: tuple[float, float, float], biggest: float
) -> list[str]:
    left, right, top = box
    # down to the lowest interval's end, in steps of a tenth
    floor = float(min(row["accuracy"]["sensitivity"]["low"] for row in rows))
    floor = min(0.9, math.floor(floor * 10) / 10)
    room = PANEL - 44

    def height(value: float) -> float:
        return round(top + 20 + room * (1 - value) / (1 - floor), 1)

    parts = [f'<text class="axis" x="{left}" y="{top + 6}">sensitivity</text>']
    steps = round((1 - floor) * 10)
    for step in range(steps + 1):
        value = 1 - step / 10
        y = height(value)
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text class="tick" x="{left - 6}" y="{y + 4}" text-anchor="end">{value:.1f}</text>'
        )
    front: list[str] = []
    best = -1.0
    for row in sorted(rows, key=lambda row: (wait_ms(row), -(sensitivity(row) or 0))):
        value = sensitivity(row) or 0.0
        if value > best:
            x = axis(wait_ms(row))
            front.append(f"M{x} {height(value)}" if not front else f"H{x} V{height(value)}")
            best = value
    parts.append(f'<path class="front" d="{" ".join(front)} H{right}"/>')
    for row in sorted(rows, key=lambda row: -(row["peak_mib"] or 0)):
        figure, x = row["accuracy"]["sensitivity"], axis(wait_ms(row))
        parts.append(
            f'<line class="whisker" x1="{x}" x2="{x}" y1="{height(figure["low"])}" '
            f'y2="{height(figure["high"])}"/>'
        )
        parts.append(_mark(row, x, height(figure["value"]), biggest))
    return parts


def _lane(
    model: str,
    rows: list[Json],
    axis: Axis,
    box: tuple[float, float, float, bool],
    biggest: float,
) -> list[str]:
    left, right, top, narrow = box
    parts = [
        f'<line class="rule" x1="{8 if narrow else left}" x2="{right}" y1="{top}" y2="{top}"/>',
        f'<text class="label" x="8" y="{top + 13}">{escape(model)}</text>'
        if narrow
        else f'<text class="label" x="{left - 10}" y="{top + LANE / 2 + 4}" '
        f'text-anchor="end">{escape(model)}</text>',
    ]
    for row in sorted(rows, key=lambda row: -(row["peak_mib"] or 0)):
        at = ENGINES.index(row["backend"])
        y = top + LANE * (at + 1) / 4 + (LABEL if narrow else 0)
        parts.append(_mark(row, axis(wait_ms(row)), y, biggest))
    return parts


def _mark(row: Json, x: float, y: float, biggest: float) -> str:
    """Return a mark: shape is precision, colour the engine, area the memory, hollow an estimate."""
    r = SMALLEST + (LARGEST - SMALLEST) * math.sqrt((row["peak_mib"] or 0.0) / biggest)
    tip = f"<title>{escape(_tip(row))}</title>"
    tint = f'class="mark {row["backend"]} {row["kind"]}"'
    shape = SHAPES.get(row["precision"], "circle")
    if shape == "circle":
        return f'<circle {tint} cx="{x}" cy="{y:.1f}" r="{r:.1f}">{tip}</circle>'
    points = " ".join(f"{x + r * dx:.1f},{y + r * dy:.1f}" for dx, dy in CORNERS[shape])
    return f'<polygon {tint} points="{points}">{tip}</polygon>'


SHAPES = {"float32": "circle", "int8": "square", "float16": "diamond", "dynamic": "triangle"}
CORNERS = {
    "square": ((-0.89, -0.89), (0.89, -0.89), (0.89, 0.89), (-0.89, 0.89)),
    "diamond": ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
    "triangle": ((0, -1.3), (1.2, 0.85), (-1.2, 0.85)),
}


def _tip(row: Json) -> str:
    parts = [
        name(row),
        f"{milliseconds(wait_ms(row))} ms, {wait_is(row)}",
        f"{milliseconds(row['latency']['p50_ms'])} ms the model alone, median"
        if row["latency"]
        else "",
        f"{mib(row['peak_mib'])} MiB at its most",
        "estimated, not measured" if row["kind"] == "estimated" else "",
    ]
    return "\n".join(part for part in parts if part)


def _svg(parts: Sequence[str], width: float, height: float, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        f'role="img" aria-label="{escape(label)}" xmlns="http://www.w3.org/2000/svg">'
        + "".join(parts)
        + "</svg>"
    )
