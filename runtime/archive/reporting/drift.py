"""How light, stain and focus of each microscope change over the months."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from ..results.schema import MEASURES
from .fields import rows_of

if TYPE_CHECKING:
    import duckdb

LEAST_FIELDS = 5  # of a microscope in a month
LEAST_STEPS = 1.5  # spreads of a month between before and after
IQR_OF_NORMAL = 1.349  # interquartile range of a standard normal distribution
LEAST_SPREAD = 1e-3
MOST_MICROSCOPES = 6  # lines of a chart
QUARTILES = """
SELECT coalesce(microscope, 'not known') AS microscope, month, count(*) AS fields, {columns}
FROM fields WHERE measures IS NOT NULL AND month IS NOT NULL
GROUP BY ALL HAVING count(*) >= {least} ORDER BY microscope, month
"""


@dataclass(frozen=True)
class Measure:
    """What is shown of one measure.

    Parameters
    ----------
    title : str
    unit : str
    cause : str
        What changes it.
    """

    title: str
    unit: str
    cause: str


SHOWN = {
    "light": Measure("background", "log of the grey value", "lamp or exposure"),
    "light_green_blue": Measure(
        "yellow cast", "log of green over blue", "a lamp that yellows, or the white balance"
    ),
    "depth_95": Measure("depth of the stain", "optical density of green", "stain time or lot"),
    "red_depth": Measure("red of the stain", "red over green density", "stain lot or pH"),
    "blue_depth": Measure("blue of the stain", "blue over green density", "stain lot or pH"),
    "sharpness": Measure("sharpness", "log of curvature over slope", "focus, optics or scaling"),
}


@dataclass(frozen=True)
class Point:
    """A month of a microscope.

    Parameters
    ----------
    month : str
    fields : int
    low, middle, high : float
        Quartiles.
    """

    month: str
    fields: int
    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class Change:
    """The largest change of a measure of a microscope.

    Parameters
    ----------
    microscope, measure : str
    month : str
        The first month after it.
    before, after : float
        Medians of the months.
    steps : float
        Difference in spreads within a month.
    """

    microscope: str
    measure: str
    month: str
    before: float
    after: float
    steps: float


Series = dict[str, dict[str, list[Point]]]  # by measure and microscope


def read_series(connection: duckdb.DuckDBPyConnection) -> Series:
    """Return the quartiles of each measure by microscope and month.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With the view ``fields``.
    """
    columns = ", ".join(
        f"quantile_cont(measures.{name}, [0.25, 0.5, 0.75]) AS {name}" for name in MEASURES
    )
    rows = rows_of(connection, QUARTILES.format(columns=columns, least=LEAST_FIELDS))
    series: Series = {name: {} for name in SHOWN}
    for row in rows:
        for name in SHOWN:
            if row[name] is not None and None not in row[name]:
                point = Point(row["month"], row["fields"], *row[name])
                series[name].setdefault(row["microscope"], []).append(point)
    return series


def find_changes(series: Series) -> list[Change]:
    """Return the changes that are large beside the spread within a month, the largest first.

    Parameters
    ----------
    series : dict
        As `read_series`.
    """
    found = [
        change
        for measure, microscopes in series.items()
        for microscope, points in microscopes.items()
        if (change := largest_change(microscope, measure, points)) is not None
        and change.steps >= LEAST_STEPS
    ]
    return sorted(found, key=lambda change: -change.steps)


def largest_change(microscope: str, measure: str, points: Sequence[Point]) -> Change | None:
    """Return the change at the month that leaves the least spread inside the two parts.

    That is the least sum of absolute deviations from the two medians.

    Parameters
    ----------
    microscope, measure : str
    points : sequence of Point
        In the order of the months.

    Returns
    -------
    Change or None
        None for a single month.
    """
    if len(points) < 2:
        return None
    spread = median((point.high - point.low) / IQR_OF_NORMAL for point in points)
    middles = [point.middle for point in points]
    best = min(
        range(1, len(points)),
        key=lambda at: _deviation(middles[:at]) + _deviation(middles[at:]),
    )
    before, after = median(middles[:best]), median(middles[best:])
    steps = abs(after - before) / max(spread, LEAST_SPREAD)
    return Change(microscope, measure, points[best].month, before, after, steps)


def _deviation(values: Sequence[float]) -> float:
    """Return the sum of absolute deviations from the median."""
    middle = median(values)
    return sum(abs(value - middle) for value in values)


def busiest(microscopes: dict[str, list[Point]]) -> dict[str, list[Point]]:
    """Return the microscopes with most fields, as many as a chart shows."""
    ordered = sorted(
        microscopes.items(), key=lambda item: (-sum(point.fields for point in item[1]), item[0])
    )
    return dict(ordered[:MOST_MICROSCOPES])
