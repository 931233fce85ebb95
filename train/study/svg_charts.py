"""The charts of a study as inline SVG: they take their colours from the page, light or dark."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from ...runtime.metrics.metrics import Json

WIDTH, HEIGHT = 300, 210
LEFT, RIGHT, TOP, BOTTOM = 38, 10, 10, 32
DASHES = {"probe": "2 3", "head": "6 3", "base": ""}
COLOURS = 6  # classes c0 … c5 in the page's style


def roc_chart(rows: Sequence[Json], colours: dict[str, int]) -> Markup:
    """Return the ROC curves of rows of one section."""
    lines = [
        _line([(x, y) for x, y in row["roc"]], colours[row["model"]], DASHES[row["kind"]])
        for row in rows
    ]
    diagonal = _line([(0, 0), (1, 1)], None, "1 3")
    ticks = [(value, f"{value:g}") for value in (0, 0.5, 1)]
    return _frame([diagonal, *lines], ticks, ticks, "1 − specificity", "sensitivity", "ROC curves")


def curve_chart(row: Json, colours: dict[str, int]) -> Markup:
    """Return the learning curve of a row: training whole, the other part dashed."""
    curve = row["curve"]
    losses = [v for v in (*curve["loss"], *curve["val_loss"]) if v is not None]
    top = max([*losses, 1e-3]) * 1.05
    last = max(curve["epoch"]) or 1
    colour = colours[row["model"]]
    lines = []
    for name, dash in (("loss", ""), ("val_loss", "4 3")):
        points = [
            (epoch / last, value / top)
            for epoch, value in zip(curve["epoch"], curve[name], strict=True)
            if value is not None
        ]
        lines.append(_line(points, colour, dash))
    across = [(0, "0"), (1, f"{last}")]
    up = [(0, "0"), (1, f"{top:.2g}")]
    return _frame(lines, across, up, "epoch", "loss", f"Learning curve of {row['title']}")


def lowest(figures: Sequence[Json | None]) -> float:
    """Return where the bars of some proportions begin: the tenth below their lowest interval."""
    lows = [figure["low"] for figure in figures if figure and not math.isnan(figure["low"])]
    return min(math.floor(10 * min(lows, default=0.0)) / 10, 0.9)


def interval_bar(figure: Json | None, start: float = 0.0) -> Markup:
    """Return a proportion and its interval as a small bar from `start` to 1."""
    if not figure or any(math.isnan(figure[key]) for key in ("low", "high", "value")):
        return Markup("")
    low, high, value = (
        round(4 + 92 * (figure[key] - start) / (1 - start), 1) for key in ("low", "high", "value")
    )
    return Markup(
        '<svg class="bar" viewBox="0 0 100 10" aria-hidden="true">'
        '<line x1="4" y1="5" x2="96" y2="5" class="grid"/>'
        f'<line x1="{low}" y1="5" x2="{high}" y2="5" class="span"/>'
        f'<circle cx="{value}" cy="5" r="3.5" class="dot"/></svg>'
    )


def _frame(
    lines: Sequence[str],
    across: Sequence[tuple[float, str]],
    up: Sequence[tuple[float, str]],
    below: str,
    beside: str,
    title: str,
) -> Markup:
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">',
        f"<title>{title}</title>",
    ]
    for value, text in across:
        x, y = _place(value, 0)
        parts.append(f'<text x="{x}" y="{y + 13}" class="tick" text-anchor="middle">{text}</text>')
    for value, text in up:
        x, y = _place(0, value)
        end, _ = _place(1, value)
        parts.append(f'<line x1="{x}" y1="{y}" x2="{end}" y2="{y}" class="grid"/>')
        parts.append(f'<text x="{x - 4}" y="{y + 4}" class="tick" text-anchor="end">{text}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    half = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 4}" class="tick" text-anchor="middle">{below}</text>'
        f'<text x="10" y="{half}" class="tick" text-anchor="middle" '
        f'transform="rotate(-90 10 {half})">{beside}</text>'
    )
    return Markup("".join([*parts, *lines, "</svg>"]))


def _line(points: Sequence[tuple[float, float]], colour: int | None, dash: str) -> str:
    if not points:
        return ""
    places = " ".join("{:g},{:g}".format(*_place(x, y)) for x, y in points)
    name = "grid" if colour is None else f"c{colour % COLOURS}"
    return f'<polyline points="{places}" class="line {name}" stroke-dasharray="{dash}"/>'


def _place(x: float, y: float) -> tuple[float, float]:
    return (
        round(LEFT + x * (WIDTH - LEFT - RIGHT), 1),
        round(HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM), 1),
    )
