"""The marks of the pictures and their legend as SVG text; standard library only.

Colours come from the page's style sheet by class, so that light and dark are one picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from .formatting import mib, milliseconds
from .result_merging import Site
from .selection_criteria import is_model_alone, name, wait_is, wait_ms

Json = dict[str, Any]

ENGINES = ("tflite", "onnx", "openvino")
SHAPES = {"float32": "circle", "int8": "square", "float16": "diamond", "dynamic": "triangle"}
# corners of shapes whose area is that of a circle of radius 1
CORNERS = {
    "square": ((-0.886, -0.886), (0.886, -0.886), (0.886, 0.886), (-0.886, 0.886)),
    "diamond": ((0, -1.253), (1.253, 0), (0, 1.253), (-1.253, 0)),
    "triangle": ((0, -1.555), (1.347, 0.778), (-1.347, 0.778)),
}
LARGEST = 12.0  # pixels: radius of the heaviest mark
UNKNOWN = 3.0  # radius of a mark whose memory is not known
SAMPLE = 5.5  # radius in the legend
ROUND_MIB = tuple(step * 10**power for power in range(5) for step in (1, 2, 5))
SIZES = 3  # so many in the legend of sizes
CHARACTER = 8.2  # pixels a character of a label takes at most, on average


def heaviest(sites: Sequence[Site]) -> float:
    """Return the most memory of any row, MiB: one scale of areas for all sites."""
    return max((row["peak_mib"] or 0.0 for site in sites for row in site.rows), default=0) or 1.0


def radius(mib: float | None, biggest: float) -> float:
    """Return the radius of a mark: its area is proportional to the memory."""
    return LARGEST * math.sqrt(mib / biggest) if mib else UNKNOWN


def shape(kind: str, attributes: str, x: float, y: float, r: float, inner: str = "") -> str:
    """Return a shape of the area of a circle of radius `r`."""
    if kind == "circle":
        return f'<circle {attributes} cx="{x}" cy="{y:.1f}" r="{r:.2f}">{inner}</circle>'
    points = " ".join(f"{x + r * dx:.1f},{y + r * dy:.1f}" for dx, dy in CORNERS[kind])
    return f'<polygon {attributes} points="{points}">{inner}</polygon>'


def mark(row: Json, x: float, y: float, biggest: float) -> str:
    """Return a mark: shape is precision, colour the engine, area the memory, hollow an estimate."""
    tint = f'class="mark {row["backend"]} {row["kind"]}{_fault(row)}"'
    kind = SHAPES.get(row["precision"], "circle")
    inner = f"<title>{escape(tip(row))}</title>"
    return shape(kind, tint, x, y, radius(row["peak_mib"], biggest), inner)


def _fault(row: Json) -> str:
    return " unsound" if row.get("parity") == "fail" else ""


def tip(row: Json) -> str:
    """Return what a mark or bar says when it is pointed at."""
    wait = f"{milliseconds(wait_ms(row))} ms, {wait_is(row)}"
    alone = ""
    if row["latency"] and not is_model_alone(row):
        alone = f"{milliseconds(row['latency']['p50_ms'])} ms the model alone, median"
    parts = [
        name(row),
        wait,
        alone,
        f"{mib(row['peak_mib'])} MiB at its most",
        "failed parity" if _fault(row) else "",
        "estimated, not measured" if row["kind"] == "estimated" else "",
    ]
    return "\n".join(part for part in parts if part)


def legend(sites: Sequence[Site], biggest: float) -> list[tuple[str, float, str]]:
    """Return the legend of the pictures.

    Returns
    -------
    list of (str, float, str)
        An SVG shape in a box of that width and 26 pixels' height, and what it stands for.
    """
    rows = [row for site in sites for row in site.rows if row["status"] == "ok"]
    engines = [one for one in ENGINES if any(row["backend"] == one for row in rows)]
    precisions = {row["precision"] for row in rows}
    parts = [
        (f'<rect class="{engine}" x="2" y="7" width="12" height="12" rx="3"/>', 16.0, engine)
        for engine in engines
    ]
    parts += [
        (shape(kind, 'class="plain"', 8, 13, SAMPLE), 16.0, precision)
        for precision, kind in SHAPES.items()
        if precision in precisions
    ]
    if any(row["kind"] == "estimated" for row in rows):
        hollow = f'class="mark estimated {engines[0]}"'
        parts.append((shape("circle", hollow, 8, 13, SAMPLE), 16.0, "hollow: estimated"))
    if any(map(_fault, rows)):
        cross = f'class="mark unsound {engines[0]}"'
        parts.append((shape("circle", cross, 8, 13, SAMPLE), 16.0, "dotted: failed parity"))
    for size in [size for size in ROUND_MIB if size <= biggest][-SIZES:]:
        r = radius(size, biggest)
        parts.append((shape("circle", 'class="size"', r + 1, 13, r), 2 * r + 2, f"{size} MiB"))
    return parts


def svg(parts: Sequence[str], width: float, height: float, label: str) -> str:
    """Return a picture of parts."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        f'role="img" aria-label="{escape(label)}" xmlns="http://www.w3.org/2000/svg">'
        + "".join(parts)
        + "</svg>"
    )
