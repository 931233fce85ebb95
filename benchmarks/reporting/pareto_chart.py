"""The chart of a site: sensitivity against waiting time, with its Pareto front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...runtime.pages.svg import DPI, chart_style, figure_svg, plain_text
from .chart_marks import ENGINES, bundle_label, legend_entries, mark, tooltip
from .label_placement import Label, place_labels
from .result_merging import Site
from .selection_criteria import (
    failed_parity,
    is_model_alone,
    sensitivity,
    unseen_figure,
    wait_is,
    wait_ms,
)
from .types import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

PANEL_PX, LANE_PX, AXIS_PX, LEGEND_LINE_PX = 330, 52, 44, 26
LEGEND_ENTRY_PX = 86  # average width of an entry
NARROW_LEGEND = 3  # columns
LABEL_SHARE = 0.4  # of the height of the axis, above a sensitivity of 1, for labels
NARROW_PX = 600
# Where labels start, as shares of that height; in a narrow chart neighbours at different heights.
WIDE_LEVELS, NARROW_LEVELS = (0.5,), (0.25, 0.5, 0.75)


def quickest_threads(rows: Sequence[Row]) -> list[Row]:
    """Return for each artifact, engine and kind the row with the quickest thread count.

    Failed rows and rows without a waiting time are left out: a time axis cannot show them.
    """
    best: dict[tuple[str, ...], Row] = {}
    for row in rows:
        if row["status"] != "ok" or not 0 < wait_ms(row) < math.inf:
            continue
        key = (row["digest"] or row["bundle"], row["backend"], row["kind"])
        if key not in best or wait_ms(row) < wait_ms(best[key]):
            best[key] = row
    return list(best.values())


def pareto_chart(site: Site, width: int, largest_mib: float, alone: bool = False) -> str:
    """Return the chart of a site as SVG; empty if the site has no row without a failure.

    Parameters
    ----------
    site : Site
    width : int
        Width in pixels that the chart is drawn for.
    largest_mib : float
        Peak memory of the largest mark, as `largest_peak_mib` returns it.
    alone : bool
        Whether the chart is a file of its own.

    Returns
    -------
    str
        Each mark is an artifact on an engine. The x axis is the waiting time of `wait_ms`,
        logarithmic. The y axis is the sensitivity. Rows without a measured sensitivity are below,
        in a lane for each model, so that their height cannot be read as a sensitivity.
    """
    rows = quickest_threads(site.rows)
    if not rows:
        return ""
    judged = [row for row in rows if sensitivity(row) is not None]
    others = [row for row in rows if sensitivity(row) is None]
    models = list(dict.fromkeys(row["model"] for row in sorted(others, key=wait_ms)))
    heights = [PANEL_PX] * bool(judged) + [LANE_PX * len(models)] * bool(models)
    with chart_style() as colour:
        figure, panels = _figure(legend_entries(rows, largest_mib, colour), width, heights)
        _time_axis(panels[-1], rows, narrow=width < NARROW_PX)
        tooltips: dict[str, str] = {}
        if models:
            tooltips |= _draw_lanes(panels[-1], others, models, largest_mib, colour)
        if models and judged:
            panels[-1].set_title(
                "sensitivity not measured", loc="left", fontsize=11, color=colour["warn"]
            )
        if judged:
            tooltips |= _draw_sensitivities(figure, panels[0], judged, largest_mib, colour)
        title = f"{site.title}: sensitivity and waiting time of {len(rows)} artifacts"
        return figure_svg(figure, title, tooltips, alone)


def _figure(
    entries: Sequence[tuple[Line2D, str]], width: int, heights: Sequence[int]
) -> tuple[Figure, list[Axes]]:
    """Return a figure with its legend, and a panel of each height in pixels."""
    from matplotlib.figure import Figure

    columns = NARROW_LEGEND if width < NARROW_PX else width // LEGEND_ENTRY_PX
    height = sum(heights) + AXIS_PX + LEGEND_LINE_PX * math.ceil(len(entries) / columns)
    figure = Figure(figsize=(width / DPI, height / DPI), layout="constrained")
    panels = figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)
    if entries:
        figure.legend(
            *zip(*entries, strict=True),
            loc="outside upper left",
            ncols=columns,
            columnspacing=1.0,
            handlelength=2.0,
            handletextpad=0.4,
            labelspacing=0.8,
        )
    return figure, list(panels[:, 0])


def time_axis_title(rows: Sequence[Row], narrow: bool) -> str:
    """Return what the time axis shows of some rows."""
    alone = [row for row in rows if is_model_alone(row)]
    if len(alone) == len(rows):
        return "ms, the model alone" + ("" if narrow else ": decoding the file is not in it")
    title = "ms, 95th percentile" if narrow else "ms from the file to the answer, 95th percentile"
    if any("95" not in wait_is(row) for row in rows if not is_model_alone(row)):
        title += " (median where samples are few)"
    return title + ("; estimated: the model alone" if alone else "")


def pareto_front(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that no other beats in both sensitivity and waiting time, quickest first.

    Rows that failed parity are left out, unless all did.
    """
    front: list[Row] = []
    for row in sorted(_sound(rows), key=lambda row: (wait_ms(row), -(sensitivity(row) or 0.0))):
        if not front or (sensitivity(row) or 0.0) > (sensitivity(front[-1]) or 0.0):
            front.append(row)
    return front


def _sound(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if not failed_parity(row)] or list(rows)


def _best_of_models(rows: Sequence[Row]) -> list[Row]:
    """Return the most sensitive row of each model, of equal ones the quickest."""
    best: dict[str, Row] = {}
    for row in sorted(_sound(rows), key=lambda row: (-(sensitivity(row) or 0.0), wait_ms(row))):
        best.setdefault(row["model"], row)
    return list(best.values())


def _time_axis(axes: Axes, rows: Sequence[Row], narrow: bool) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    times = [wait_ms(row) for row in rows]
    low, high = min(times) / 1.25, max(times) * 1.25
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    decades = LogLocator(subs=(1, 2, 5))
    shown = [tick for tick in decades.tick_values(low, high) if low <= tick <= high]
    # Within less than a decade there are too few round steps.
    axes.xaxis.set_major_locator(decades if len(shown) > 2 else MaxNLocator(5))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel(time_axis_title(rows, narrow))


def _draw_lanes(
    axes: Axes,
    rows: Sequence[Row],
    models: Sequence[str],
    largest_mib: float,
    colour: Mapping[str, str],
) -> dict[str, str]:
    """Draw the rows without a sensitivity, one lane a model; return their tooltips."""
    axes.set_ylim(len(models) - 0.5, -0.5)
    axes.set_yticks(range(len(models)), map(plain_text, models), color=colour["ink"], fontsize=12)
    axes.set_yticks([number + 0.5 for number in range(-1, len(models))], minor=True)
    axes.grid(visible=True, axis="x")
    axes.grid(visible=True, axis="y", which="minor")
    axes.spines[:].set_visible(False)
    axes.tick_params(which="minor", left=False)
    tooltips = {}
    for number, row in enumerate(_largest_first(rows)):
        engine = ENGINES.index(row["backend"]) if row["backend"] in ENGINES else 1
        height = models.index(row["model"]) + (engine - 1) / 4
        artist = axes.add_line(mark(row, wait_ms(row), height, largest_mib, colour))
        artist.set_gid(f"mark:lane-{number}")
        tooltips[f"mark:lane-{number}"] = tooltip(row)
    return tooltips


def _draw_sensitivities(
    figure: Figure,
    axes: Axes,
    rows: Sequence[Row],
    largest_mib: float,
    colour: Mapping[str, str],
) -> dict[str, str]:
    """Draw the rows with a sensitivity, their intervals and the front; return their tooltips."""
    intervals = [unseen_figure(row, "sensitivity") or {} for row in rows]
    floor = min(0.9, math.floor(10 * min(interval["low"] for interval in intervals)) / 10)
    axes.set_ylim(floor, 1 + LABEL_SHARE * (1 - floor))
    steps = 1 if floor >= 0.5 else 2
    axes.set_yticks([tick / 10 for tick in range(10, round(10 * floor) - 1, -steps)])
    axes.set_ylabel("sensitivity", loc="bottom")
    axes.grid(visible=True)
    axes.spines[:].set_visible(False)
    front = pareto_front(rows)
    right = axes.get_xlim()[1]
    axes.step(
        [*map(wait_ms, front), right],
        [sensitivity(row) or 0.0 for row in (*front, front[-1])],
        where="post",
        color=colour["accent"],
        linestyle="--",
    )
    tooltips, artists = {}, []
    for number, row in enumerate(_largest_first(rows)):
        interval, wait = unseen_figure(row, "sensitivity") or {}, wait_ms(row)
        axes.vlines(wait, interval["low"], interval["high"], color=colour["soft"], lw=1, alpha=0.6)
        artist = axes.add_line(mark(row, wait, interval["value"], largest_mib, colour))
        artist.set_gid(f"mark:{number}")
        tooltips[f"mark:{number}"] = tooltip(row)
        artists.append(artist)
    _label(figure, axes, [*front, *_best_of_models(rows)], artists, colour["soft"])
    return tooltips


def _label(
    figure: Figure, axes: Axes, rows: Sequence[Row], artists: Sequence[object], colour: str
) -> None:
    """Label the marks of some rows, the most important first; equal labels once."""
    by_label = {bundle_label(row): row for row in reversed(rows)}
    labels = [
        Label(text, wait_ms(row), sensitivity(row) or 0.0)
        for text, row in reversed(by_label.items())
    ]
    narrow = axes.get_window_extent().width < NARROW_PX
    place_labels(
        figure, axes, labels, artists, colour, levels=NARROW_LEVELS if narrow else WIDE_LEVELS
    )


def _largest_first(rows: Sequence[Row]) -> list[Row]:
    """Return rows in drawing order, so that a small mark is not under a large one."""
    return sorted(rows, key=lambda row: -(row["peak_mib"] or 0))
