"""Marks, tooltips and legend that the charts of a report share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...runtime.pages.svg import plain_text
from .formatting import mib, milliseconds
from .result_merging import Site
from .selection_criteria import (
    configuration_name,
    failed_parity,
    is_model_alone,
    wait_is,
    wait_ms,
)
from .types import Row

if TYPE_CHECKING:
    from matplotlib.lines import Line2D

ENGINES = ("tflite", "onnx", "openvino")
PRECISION_MARKERS = {"float32": "o", "int8": "s", "float16": "D", "dynamic": "^"}
# Width of each marker relative to that of a circle of the same area.
MARKER_WIDTHS = {"o": 1.0, "s": 0.886, "D": 0.886, "^": 1.253}
LARGEST_RADIUS = 12.0  # pixels: radius of the mark of the largest memory
UNKNOWN_RADIUS = 3.0  # pixels: radius of a mark whose memory is not known
LEGEND_RADIUS = 5.5  # pixels
LEGEND_SIZES_MIB = tuple(step * 10**power for power in range(5) for step in (1, 2, 5))
LEGEND_SIZES_SHOWN = 3


def largest_peak_mib(sites: Sequence[Site]) -> float:
    """Return the largest peak memory of all rows, MiB; 1.0 if none is known.

    All charts of a report use it, so that areas can be compared between sites.
    """
    return max((row["peak_mib"] or 0.0 for site in sites for row in site.rows), default=0) or 1.0


def mark_radius(peak_mib: float | None, largest_mib: float) -> float:
    """Return the radius of a mark in pixels: its area is proportional to the peak memory."""
    return LARGEST_RADIUS * math.sqrt(peak_mib / largest_mib) if peak_mib else UNKNOWN_RADIUS


def engine_colour(row: Row, colour: Mapping[str, str]) -> str:
    """Return the colour of a row's engine; grey for an engine that alledge does not have."""
    return colour[row["backend"] if row["backend"] in ENGINES else "soft"]


def mark(row: Row, x: float, y: float, largest_mib: float, colour: Mapping[str, str]) -> Line2D:
    """Return the mark of a row.

    The shape is the precision, the colour the engine and the area the peak memory. An estimate is
    hollow. A row that failed parity is pale with a dotted outline.
    """
    engine = engine_colour(row, colour)
    marker = PRECISION_MARKERS.get(row["precision"], "o")
    radius = mark_radius(row["peak_mib"], largest_mib)
    if row["kind"] == "estimated":
        return _shape(marker, radius, x, y, fill="none", edge=engine, width=1.8)
    if failed_parity(row):
        return _shape(marker, radius, x, y, fill=engine, edge=colour["ink"], alpha=0.4)
    return _shape(marker, radius, x, y, fill=engine, edge=colour["card"], alpha=0.9)


def tooltip(row: Row) -> str:
    """Return what is shown when the pointer is on the mark or bar of a row."""
    lines = [
        configuration_name(row),
        f"{milliseconds(wait_ms(row))} ms, {wait_is(row)}",
        f"peak memory {mib(row['peak_mib'])} MiB",
    ]
    if row["latency"] and not is_model_alone(row):
        alone = f"{milliseconds(row['latency']['p50_ms'])} ms, the model alone, median"
        lines.insert(2, alone)
    if failed_parity(row):
        lines.append("failed parity")
    if row["kind"] == "estimated":
        lines.append("estimated, not measured")
    return "\n".join(lines)


def bundle_label(row: Row) -> str:
    """Return the label of a row in a chart: model and precision."""
    return plain_text(f"{row['model']} {row['precision']}")


def legend_entries(
    rows: Sequence[Row], largest_mib: float, colour: Mapping[str, str]
) -> list[tuple[Line2D, str]]:
    """Return the legend of `mark` for some rows: a sample mark and its meaning."""
    soft = colour["soft"]
    engines = [name for name in ENGINES if any(row["backend"] == name for row in rows)]
    precisions = {row["precision"] for row in rows}
    entries = [
        (_shape("s", LEGEND_RADIUS, fill=colour[engine], edge=colour["card"]), engine)
        for engine in engines
    ]
    entries += [
        (_shape(marker, LEGEND_RADIUS, fill=soft, edge=colour["card"]), precision)
        for precision, marker in PRECISION_MARKERS.items()
        if precision in precisions
    ]
    if any(row["kind"] == "estimated" for row in rows):
        hollow = _shape("o", LEGEND_RADIUS, fill="none", edge=soft, width=1.8)
        entries.append((hollow, "hollow: estimated"))
    if any(map(failed_parity, rows)):
        pale = _shape("o", LEGEND_RADIUS, fill=soft, edge=colour["ink"], alpha=0.4)
        entries.append((pale, "pale: failed parity"))
    sizes = [size for size in LEGEND_SIZES_MIB if size <= largest_mib][-LEGEND_SIZES_SHOWN:]
    for size in sizes:
        circle = _shape("o", mark_radius(size, largest_mib), fill="none", edge=soft, width=1.2)
        entries.append((circle, f"{size} MiB"))
    return entries


def _shape(
    marker: str,
    radius: float,
    x: float = math.nan,
    y: float = math.nan,
    *,
    fill: str,
    edge: str,
    width: float = 1.0,
    alpha: float = 1.0,
) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D(
        [x],
        [y],
        linestyle="none",
        marker=marker,
        markersize=2 * radius * MARKER_WIDTHS[marker],
        markerfacecolor=fill,
        markeredgecolor=edge,
        markeredgewidth=width,
        alpha=alpha,
        clip_on=False,
    )
