"""The picture of a site as SVG text: sensitivity against waiting; standard library only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from .chart_marks import CHARACTER, ENGINES, legend, mark, radius, svg
from .label_placement import Box, place
from .result_merging import Site
from .selection_criteria import is_model_alone, sensitivity, wait_is, wait_ms

Json = dict[str, Any]

TICKS = tuple(step * 10.0**power for power in range(-1, 5) for step in (1, 2, 5))
ENOUGH_TICKS, EVEN_TICKS = 3, 5
LANE, PANEL = 54, 320  # pixels: a model's lane, and the panel of measured sensitivity
ABOVE = 104  # pixels above a sensitivity of 1, for the names of marks
TICK = (34.0, 8.0)  # pixels that a tick's figure takes left of the axis, and above and below it
LABEL = 14  # pixels a narrow lane has above its marks for its name
LEGEND_HEIGHT, LEGEND_CHARACTER, LEGEND_GAP = 26, 6.6, 16


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


def pareto(site: Site, width: int, biggest: float) -> str:
    """Return the picture of a site: each mark an artifact on an engine.

    Parameters
    ----------
    site : Site
    width : int
        Pixels it is drawn for; text keeps its size.
    biggest : float
        MiB of the largest mark, of all sites.

    Returns
    -------
    str
        Across: from the file to the answer, 95th percentile, logarithmic; the model alone where no
        more is known, and then the axis says so. Up: sensitivity, where it was measured; all others
        stand below, in a lane for their model, so that no height is read into them. The area of a
        mark is the peak memory.
    """
    rows = quickest(site.rows)
    if not rows:
        return ""
    narrow = width < 600
    named = round(max(len(row["model"]) for row in rows) * CHARACTER + 20, 1)
    left, right = (40.0 if narrow else named), width - 16.0
    axis = Axis([wait_ms(row) for row in rows], left + 14, right - 14)
    judged = [row for row in rows if sensitivity(row) is not None]
    others = [row for row in rows if sensitivity(row) is None]
    models = list(dict.fromkeys(row["model"] for row in sorted(others, key=wait_ms)))
    top = 8.0
    step = LANE + (LABEL if narrow else 0)
    bottom = top + (PANEL if judged else 0) + step * len(models) + (22 if models and judged else 0)
    parts = _ticks(axis, top, bottom)
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
    x, title = (left + right) / 2, axis_title(rows, narrow)
    parts.append(
        f'<text class="axis" x="{x}" y="{bottom + 36}" text-anchor="middle">{title}</text>'
    )
    label = f"{site.title}: sensitivity and waiting time of {len(rows)} artifacts"
    return svg(parts, width, bottom + 46, label)


def _ticks(axis: Axis, top: float, bottom: float) -> list[str]:
    parts = []
    for tick in axis.ticks:
        x = axis(tick)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>')
        parts.append(
            f'<text class="tick" x="{x}" y="{bottom + 16}" text-anchor="middle">{tick:g}</text>'
        )
    return parts


def axis_title(rows: Sequence[Json], narrow: bool) -> str:
    """Return what the axis of waiting shows of some rows."""
    alone = [row for row in rows if is_model_alone(row)]
    if len(alone) == len(rows):
        return "ms, the model alone" + ("" if narrow else ": decoding the file is not in it")
    title = "ms, 95th percentile" if narrow else "ms from the file to the answer, 95th percentile"
    if any("95" not in wait_is(row) for row in rows if not is_model_alone(row)):
        title += " (median where samples are few)"
    return title + ("; of estimated ones the model alone" if alone else "")


def standalone(site: Site, width: int, css: str, biggest: float) -> str:
    """Return the picture of `pareto` as a file of its own, with its legend and style sheet."""
    picture = pareto(site, width, biggest)
    if not picture:
        return ""
    parts, x, top = [], 8.0, 0
    for drawn, room, words in legend([site], biggest):
        wide = room + 6 + LEGEND_CHARACTER * len(words) + LEGEND_GAP
        if x + wide > width and x > 8:  # the next line
            x, top = 8.0, top + LEGEND_HEIGHT
        parts.append(f'<g transform="translate({x:.1f} {top})">{drawn}')
        parts.append(f'<text x="{room + 6:.1f}" y="17">{words}</text></g>')
        x += wide
    top += LEGEND_HEIGHT + 4
    height = float(picture.split('height="', 1)[1].split('"', 1)[0])
    inner = picture.replace("<svg ", f'<svg y="{top}" ', 1)
    style = f"<style><![CDATA[{css}]]></style>"
    return svg([style, *parts, inner], width, height + top, site.title)


def _panel(
    rows: list[Json], axis: Axis, box: tuple[float, float, float], biggest: float
) -> list[str]:
    left, right, top = box
    # down to the lowest interval's end, in steps of a tenth
    floor = float(min(row["accuracy"]["sensitivity"]["low"] for row in rows))
    floor = min(0.9, math.floor(floor * 10) / 10)
    room = PANEL - ABOVE - 24

    def height(value: float) -> float:
        return round(top + ABOVE + room * (1 - value) / (1 - floor), 1)

    parts = [f'<text class="axis" x="{left}" y="{top + 6}">sensitivity</text>']
    steps = round((1 - floor) * 10)
    for step in range(steps + 1):
        value = 1 - step / 10
        y = height(value)
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text class="tick" x="{left - 6}" y="{y + 4}" text-anchor="end">{value:.1f}</text>'
        )
    at = {id(row): (axis(wait_ms(row)), height(sensitivity(row) or 0.0)) for row in rows}
    edge = _front(rows)
    steps_of = [f"H{at[id(row)][0]} V{at[id(row)][1]}" for row in edge[1:]]
    x, y = at[id(edge[0])]
    parts.append(f'<path class="front" d="M{x} {y} {" ".join(steps_of)} H{right}"/>')
    for row in sorted(rows, key=lambda row: -(row["peak_mib"] or 0)):
        figure, (x, y) = row["accuracy"]["sensitivity"], at[id(row)]
        parts.append(
            f'<line class="whisker" x1="{x}" x2="{x}" y1="{height(figure["low"])}" '
            f'y2="{height(figure["high"])}"/>'
        )
        parts.append(mark(row, x, y, biggest))
    wide, half = TICK
    figures = [height(1 - step / 10) for step in range(steps + 1)]
    taken = [(left - wide, y - half, left, y + half) for y in figures]
    for row in rows:
        (x, y), r = at[id(row)], radius(row["peak_mib"], biggest)
        taken.append((x - r, y - r, x + r, y + r))
    inside = (left - wide, top + 12.0, right + 12.0, top + PANEL)
    return parts + _names([*edge, *_best_of_models(rows)], at, biggest, taken, inside)


def _front(rows: Sequence[Json]) -> list[Json]:
    """Return the sound rows that none beats in both sensitivity and waiting, quickest first."""
    front: list[Json] = []
    for row in sorted(_sound(rows), key=lambda row: (wait_ms(row), -(sensitivity(row) or 0.0))):
        if not front or (sensitivity(row) or 0.0) > (sensitivity(front[-1]) or 0.0):
            front.append(row)
    return front


def _sound(rows: Sequence[Json]) -> list[Json]:
    """Return the rows that did not fail parity; all of them where each did."""
    return [row for row in rows if row.get("parity") != "fail"] or list(rows)


def _best_of_models(rows: Sequence[Json]) -> list[Json]:
    """Return each model's most sensitive row, of equal ones the quickest."""
    best: dict[str, Json] = {}
    for row in sorted(_sound(rows), key=lambda row: (-(sensitivity(row) or 0.0), wait_ms(row))):
        best.setdefault(row["model"], row)
    return list(best.values())


def _names(
    wanted: Sequence[Json],
    at: dict[int, tuple[float, float]],
    biggest: float,
    taken: Sequence[Box],
    inside: Box,
) -> list[str]:
    """Return the names of some rows' marks."""
    named: dict[str, tuple[str, float, float, float]] = {}
    for row in wanted:
        text = f"{row['model']} {row['precision']}"
        named.setdefault(text, (text, *at[id(row)], radius(row["peak_mib"], biggest)))
    return place(named.values(), taken, inside)


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
        parts.append(mark(row, axis(wait_ms(row)), y, biggest))
    return parts
