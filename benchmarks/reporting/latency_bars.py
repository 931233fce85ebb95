"""The bar chart of a site: the median waiting time of each artifact on its quickest engine."""

from __future__ import annotations

from collections.abc import Sequence

from ...runtime.pages.svg import DPI, chart_style, figure_svg, plain_text
from .chart_marks import bundle_label, engine_colour, tooltip
from .formatting import milliseconds
from .pareto_chart import NARROW_PX, quickest_threads
from .result_merging import Site
from .selection_criteria import is_model_alone
from .types import Row

BAR_PX, EDGE_PX = 22, 12


def longest_bar_ms(site: Site, sites: Sequence[Site]) -> float:
    """Return the longest bar of all sites that show the same as this one, in milliseconds.

    Sites of which only the model alone is known have a scale of their own.
    """
    alike = [other for other in sites if shows_model_alone(other) == shows_model_alone(site)]
    return max((_median_ms(row) for one in alike for row in fastest_engines(one)), default=1.0)


def shows_model_alone(site: Site) -> bool:
    """Return whether only the model alone is known of every row of a site."""
    return all(is_model_alone(row) for row in site.rows if row["status"] == "ok")


def latency_chart(site: Site, width: int, longest_ms: float) -> str:
    """Return the bar chart of a site as SVG; empty if the site has no row without a failure.

    Parameters
    ----------
    site : Site
    width : int
        Width in pixels that the chart is drawn for.
    longest_ms : float
        Milliseconds of the longest bar, as `longest_bar_ms` returns it.
    """
    rows = fastest_engines(site)
    if not rows:
        return ""
    with chart_style() as colour:
        from matplotlib.figure import Figure

        height = BAR_PX * len(rows) + EDGE_PX
        figure = Figure(figsize=(width / DPI, height / DPI), layout="constrained")
        axes = figure.subplots()
        axes.set_xlim(0, longest_ms)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.spines[:].set_visible(False)
        axes.set_xticks([])
        names = [bundle_label(row) for row in rows]
        size = 9 if width < NARROW_PX else 12
        axes.set_yticks(range(len(rows)), names, color=colour["ink"], fontsize=size)
        tooltips = {}
        for number, row in enumerate(rows):
            for part, length_ms, alpha in _bar_parts(row):
                tint = engine_colour(row, colour)
                (bar,) = axes.barh(number, length_ms, 0.68, color=tint, alpha=alpha)
                bar.set_gid(f"{part}:{number}")
                tooltips[f"{part}:{number}"] = tooltip(row)
            words = _end_of_bar(row, width < NARROW_PX, shows_model_alone(site))
            axes.annotate(
                words,
                (_median_ms(row), number),
                (6, 0),
                textcoords="offset points",
                va="center",
                fontsize=size - 1,
            )
        return figure_svg(figure, f"{site.title}: median waiting time", tooltips)


def fastest_engines(site: Site) -> list[Row]:
    """Return the row of each bundle on the engine that answers soonest, quickest first."""
    best: dict[str, Row] = {}
    for row in quickest_threads(site.rows):
        key = f"{row['digest'] or row['bundle']} {row['kind']}"
        if key not in best or _median_ms(row) < _median_ms(best[key]):
            best[key] = row
    return sorted(best.values(), key=lambda row: (is_model_alone(row), _median_ms(row)))


def _median_ms(row: Row) -> float:
    times = row["end_to_end"] or row["latency"]
    return float(times["p50_ms"] or 0.0) if times else 0.0


def _bar_parts(row: Row) -> list[tuple[str, float, float]]:
    """Return class, length in milliseconds and opacity: the whole way, then the model alone."""
    whole = _median_ms(row)
    model = min(row["latency"]["p50_ms"] or whole, whole) if row["latency"] else whole
    opacity = 0.4 if row["kind"] == "estimated" else 1.0
    return [("rest", whole, 0.32 * opacity), ("bar", model, opacity)]


def _end_of_bar(row: Row, narrow: bool, heading_says_alone: bool) -> str:
    """Return what stands at the end of a bar: time, engine, threads."""
    alone = " · model alone" if is_model_alone(row) and not heading_says_alone else ""
    median, engine = milliseconds(_median_ms(row)), plain_text(row["backend"])
    if narrow:
        return f"{median} {engine}{alone}"
    plural = "" if row["threads"] == 1 else "s"
    return f"{median} ms · {engine}, {row['threads']} thread{plural}{alone}"
