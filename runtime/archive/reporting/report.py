"""``alledge archive report``: one page about results."""

from __future__ import annotations

from pathlib import Path

from .... import __version__
from ...outputs import write_outputs
from ...pages.environment import render_page
from .charts import flag_chart, measure_chart, months_of, rate_chart
from .drift import SHOWN, busiest, find_changes, read_series
from .fields import add_fields, newest_partition
from .figures import Rate, read_figures

TEMPLATE = Path(__file__).resolve().parent / "templates" / "report.html.j2"
MOST_CHANGES = 12


def archive_page(name: str) -> str:
    """Return the page about the partition of results that was begun last.

    Parameters
    ----------
    name : str
        Folder or URL of results, or of one partition.

    Returns
    -------
    str
        A page that needs no other file.

    Raises
    ------
    DataError
        If there are no results.
    MissingPackageError
        If Jinja2 or matplotlib is not installed.
    """
    import duckdb

    partition, others = newest_partition(name)
    with duckdb.connect() as connection:
        add_fields(connection, "fields", partition)
        figures, series = read_figures(connection), read_series(connection)
    microscopes = busiest(series["light"])
    colours = {microscope: number for number, microscope in enumerate(microscopes)}
    shown = {
        measure: {name: points for name, points in rows.items() if name in colours}
        for measure, rows in series.items()
    }
    months = [group.name for group in figures.months if group.name]
    return render_page(
        TEMPLATE,
        {"share": share_text, "span": span_text},
        version=__version__,
        partition=partition,
        others=others,
        figures=figures,
        changes=find_changes(series)[:MOST_CHANGES],
        measures=SHOWN,
        colours=colours,
        rate=rate_chart(figures.months) if len(months) > 1 else None,
        charts={
            measure: measure_chart(SHOWN[measure].title, SHOWN[measure].unit, rows, colours)
            for measure, rows in shown.items()
            if len(months_of(rows)) > 1
        },
        flags={
            flag: flag_chart(flag, shares, months)
            for flag, shares in sorted(figures.flags.items())
            if len(months) > 1
        },
    )


def write_report(name: str, out: Path, *, force: bool) -> None:
    """Write the page about results.

    Parameters
    ----------
    name : str
        As `archive_page`.
    out : Path
    force : bool
        Replace an existing file.

    Raises
    ------
    UsageError
        If the file exists and `force` is False.
    AlledgeError
        As `archive_page`, or if the file cannot be written.
    """
    write_outputs({out: archive_page(name)}, force=force)


def share_text(rate: Rate) -> str:
    """Return a share in percent."""
    return "–" if rate.value is None else f"{100 * rate.value:.1f} %"


def span_text(rate: Rate) -> str:
    """Return the interval of a share in percent."""
    if rate.interval is None:
        return ""
    low, high = rate.interval
    return f"{100 * low:.1f}–{100 * high:.1f}"
