"""The figures of a report: counts and rates by site, microscope and month, and what to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...metrics.intervals import wilson
from .fields import rows_of

if TYPE_CHECKING:
    import duckdb

MOST_GROUPS, MOST_FIELDS, MOST_REASONS = 200, 30, 12
TOTALS = """
SELECT count(*) AS fields, count(*) FILTER (status = 'error') AS errors,
    count(*) FILTER (status = 'review') AS review, count(label) AS answers,
    count(*) FILTER (positive) AS positive, sum(counts.leucocytes) AS leucocytes,
    sum(counts.blasts) AS blasts, count(DISTINCT site) AS sites,
    count(DISTINCT microscope) AS microscopes, min(month) AS first_month, max(month) AS last_month
FROM fields
"""
GROUPS = f"""
SELECT {{name}} AS name, count(*) AS fields, count(*) FILTER (status = 'error') AS errors,
    count(*) FILTER (status = 'review') AS review, count(label) AS answers,
    count(*) FILTER (positive) AS positive, sum(counts.leucocytes) AS leucocytes,
    sum(counts.blasts) AS blasts
FROM fields GROUP BY ALL ORDER BY {{order}} LIMIT {MOST_GROUPS}
"""
FLAGS = """
SELECT month, flag, count(*) AS fields
FROM (SELECT month, unnest(flags) AS flag FROM fields WHERE month IS NOT NULL)
GROUP BY ALL ORDER BY ALL
"""
# The nearest to the threshold, those inside the band first.
DOUBTFUL = f"""
SELECT path, site, microscope, month, label, probability, threshold, flags
FROM fields WHERE status = 'review' AND probability IS NOT NULL
ORDER BY list_contains(flags, 'indeterminate') DESC, abs(probability - threshold), path
LIMIT {MOST_FIELDS}
"""
REASONS = f"""
SELECT regexp_replace(replace(error, path, '…'), '[0-9]+', 'N', 'g') AS reason,
    count(*) AS fields, min(path) AS example
FROM fields WHERE status = 'error'
GROUP BY ALL ORDER BY fields DESC, reason LIMIT {MOST_REASONS}
"""


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval.

    Parameters
    ----------
    part, total : int
    """

    part: int
    total: int

    @property
    def value(self) -> float | None:
        """In [0, 1]; None of nothing."""
        return self.part / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's interval; it takes the fields as independent."""
        return wilson(self.part, self.total) if self.total else None


@dataclass(frozen=True)
class Group:
    """The fields of a site, a microscope or a month.

    Parameters
    ----------
    name : str or None
    fields, errors, review : int
    positive : Rate
        Of the fields with a label.
    blasts : Rate
        Of the leucocytes of a cell bundle.
    """

    name: str | None
    fields: int
    errors: int
    review: int
    positive: Rate
    blasts: Rate

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> Group:
        """Return the group that a row of `GROUPS` or `TOTALS` describes."""
        return cls(
            row.get("name"),
            row["fields"],
            row["errors"],
            row["review"],
            Rate(row["positive"], row["answers"]),
            Rate(int(row["blasts"] or 0), int(row["leucocytes"] or 0)),
        )


@dataclass(frozen=True)
class Figures:
    """The figures of a report.

    Parameters
    ----------
    total : Group
    facts : dict
        The other columns of `TOTALS`.
    sites, microscopes, months : list of Group
    flags : dict of str to dict of str to float
        Share of the fields of each month with a flag.
    doubtful : list of dict
        The fields to look at first.
    reasons : list of dict
        Why fields are errors.
    """

    total: Group
    facts: dict[str, Any]
    sites: list[Group]
    microscopes: list[Group]
    months: list[Group]
    flags: dict[str, dict[str, float]]
    doubtful: list[dict[str, Any]]
    reasons: list[dict[str, Any]]


def read_figures(connection: duckdb.DuckDBPyConnection) -> Figures:
    """Return the figures of the view ``fields``.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    """
    [totals] = rows_of(connection, TOTALS)
    by = {
        name: [
            Group.of_row(row) for row in rows_of(connection, GROUPS.format(name=name, order=order))
        ]
        for name, order in (
            ("site", "fields DESC, name"),
            ("microscope", "fields DESC, name"),
            ("month", "name"),
        )
    }
    fields_of = {group.name: group.fields for group in by["month"]}
    flags: dict[str, dict[str, float]] = {}
    for row in rows_of(connection, FLAGS):
        if row["month"] in fields_of:
            share = row["fields"] / fields_of[row["month"]]
            flags.setdefault(row["flag"], {})[row["month"]] = share
    return Figures(
        total=Group.of_row(totals),
        facts=totals,
        sites=by["site"],
        microscopes=by["microscope"],
        months=by["month"],
        flags=flags,
        doubtful=rows_of(connection, DOUBTFUL),
        reasons=rows_of(connection, REASONS),
    )
