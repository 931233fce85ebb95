"""Writes a report from results: the page, and Markdown, CSV and SVG beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...runtime.outputs import check_outputs, write_outputs
from ..result_file import read_result, result_path
from .chart_marks import largest_peak_mib
from .estimated_site import estimated_site
from .markdown_report import report_markdown
from .pareto_chart import pareto_chart
from .recommendation import Advice, recommend
from .report_page import WIDE_PX, report_page
from .result_merging import Site, merge
from .selection_criteria import Limits
from .text_tables import csv_text


def report(
    results: Sequence[str | Path],
    out: str | Path,
    limits: Limits,
    command: str,
    estimate: Sequence[str] = (),
    *,
    cells: int | None = None,
    force: bool = False,
) -> tuple[Advice, list[Path]]:
    """Write a report.

    Parameters
    ----------
    results : sequence of str or Path
        Files or folders of `alledge benchmark`.
    out : str or Path
        The page. Files with the suffixes ``.md``, ``.csv`` and ``.svg`` are written beside it.
    limits : Limits
    command : str
        Printed on the page.
    estimate : sequence of str
        Device profiles whose estimates are added.
    cells : int, optional
        As of `estimated_site`.
    force : bool
        Replace files that exist; never a result.

    Raises
    ------
    DataError
        If a result cannot be read.
    UsageError
        As `estimated_site`, and if one of the files exists or cannot be written.
    MissingPackageError
        If Jinja2, matplotlib or adjustText is not installed.
    """
    page = Path(out)
    inputs = [result_path(path) for path in results]
    only_one = len(results) + len(set(estimate)) == 1  # the names of more charts are not known yet
    check_outputs(files_beside(page)[: 4 if only_one else 3], inputs=inputs, force=force)
    sites = merge([read_result(path) for path in results])
    sites += [estimated_site(name, cells) for name in dict.fromkeys(estimate)]
    files = files_beside(page, len(sites))
    check_outputs(files, inputs=inputs, force=force)
    advice = recommend(sites, limits)
    largest_mib = largest_peak_mib(sites)
    texts = [
        report_page(sites, advice, limits, command),
        report_markdown(sites, advice, limits),
        report_csv(sites),
        *(pareto_chart(site, WIDE_PX, largest_mib, alone=True) for site in sites),
    ]
    write_outputs(dict(zip(files, texts, strict=True)), force=force)
    return advice, files


def files_beside(page: Path, charts: int = 1) -> list[Path]:
    """Return the files of a report: the page, Markdown, CSV, and the charts.

    Parameters
    ----------
    page : Path
    charts : int
        Number of machines. Several charts are numbered.
    """
    names = [f"{page.stem}-{number}.svg" for number in range(1, charts + 1)]
    if charts == 1:
        names = [page.with_suffix(".svg").name]
    beside = [page.with_suffix(suffix) for suffix in (".md", ".csv")]
    return [page, *beside, *map(page.with_name, names)]


def report_csv(sites: Sequence[Site]) -> str:
    """Return all figures of all sites as CSV."""
    return csv_text([{"machine": site.title, **row} for site in sites for row in site.rows])
