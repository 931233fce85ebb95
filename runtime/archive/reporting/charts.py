"""The charts of a report, over the months."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup
from matplotlib.figure import Figure

from ...pages.svg import DPI, chart_style, figure_svg
from .drift import Point
from .figures import Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE_PX, WIDE_PX = (330, 200), (1180, 220)
MOST_LABELS = 5


def months_of(series: Mapping[str, Sequence[Point]]) -> list[str]:
    """Return the months of some microscopes, in order."""
    return sorted({point.month for points in series.values() for point in points})


def measure_chart(
    title: str, unit: str, series: Mapping[str, Sequence[Point]], colours: Mapping[str, int]
) -> Markup:
    """Return a line for each microscope with the quartiles of each month as a band, as SVG.

    Parameters
    ----------
    title, unit : str
    series : mapping of str to sequence of Point
    colours : mapping of str to int
        Number of the colour of each microscope.
    """
    months = months_of(series)
    with chart_style() as colour:
        figure, axes = _axes(SIZE_PX, unit)
        for name, points in series.items():
            places = [months.index(point.month) for point in points]
            tint = colour[f"series-{colours[name]}"]
            axes.fill_between(
                places,
                [point.low for point in points],
                [point.high for point in points],
                color=tint,
                alpha=0.15,
                linewidth=0,
            )
            axes.plot(
                places, [point.middle for point in points], color=tint, marker=".", markersize=5
            )
        _label_months(axes, months)
        return Markup(figure_svg(figure, f"{title} over the months"))


def rate_chart(months: Sequence[Group]) -> Markup:
    """Return the rate of positive fields of each month with its interval, as SVG."""
    known = [group for group in months if group.name and group.positive.interval]
    with chart_style() as colour:
        figure, axes = _axes(WIDE_PX, "positive fields, %")
        places = range(len(known))
        values = [100 * (group.positive.value or 0.0) for group in known]
        spans = [group.positive.interval or (0.0, 0.0) for group in known]
        errors = [
            [max(value - 100 * low, 0.0) for value, (low, _) in zip(values, spans, strict=True)],
            [max(100 * high - value, 0.0) for value, (_, high) in zip(values, spans, strict=True)],
        ]
        axes.errorbar(places, values, yerr=errors, color=colour["accent"], fmt=".", linewidth=1.5)
        axes.set_ylim(bottom=0)
        _label_months(axes, [group.name or "" for group in known])
        return Markup(figure_svg(figure, "Rate of positive fields over the months"))


def flag_chart(name: str, shares: Mapping[str, float], months: Sequence[str]) -> Markup:
    """Return the share of fields with a flag in each month, as SVG."""
    with chart_style() as colour:
        figure, axes = _axes(SIZE_PX, "fields, %")
        values = [100 * shares.get(month, 0.0) for month in months]
        axes.plot(range(len(months)), values, color=colour["accent"], marker=".", markersize=5)
        axes.set_ylim(0, max(5.0, 1.1 * max(values, default=0.0)))
        _label_months(axes, months)
        return Markup(figure_svg(figure, f"Share of fields flagged {name} over the months"))


def _axes(size: tuple[int, int], label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(size[0] / DPI, size[1] / DPI), layout="constrained")
    axes = figure.subplots()
    axes.set_ylabel(label)
    axes.grid(axis="y")
    return figure, axes


def _label_months(axes: Axes, months: Sequence[str]) -> None:
    step = max(1, -(-len(months) // MOST_LABELS))
    places = list(range(0, len(months), step))
    axes.set_xticks(places, [months[place] for place in places])
    axes.set_xlim(-0.5, max(len(months) - 0.5, 0.5))
