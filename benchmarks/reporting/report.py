"""Writes a report from results: the page, and Markdown, CSV and SVG beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...runtime.files import replace_file
from ..result_file import read_result
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

    Raises
    ------
    DataError
        If a result cannot be read.
    UsageError
        As `estimated_site`.
    MissingPackageError
        If Jinja2, matplotlib or adjustText is not installed.
    """
    sites = merge([read_result(path) for path in results])
    sites += [estimated_site(name) for name in dict.fromkeys(estimate)]
    advice = recommend(sites, limits)
    page = Path(out)
    texts = {
        page: report_page(sites, advice, limits, command),
        page.with_suffix(".md"): report_markdown(sites, advice, limits),
        page.with_suffix(".csv"): report_csv(sites),
    }
    largest_mib = largest_peak_mib(sites)
    for number, site in enumerate(sites, 1):
        name = page.with_suffix(".svg").name if len(sites) == 1 else f"{page.stem}-{number}.svg"
        texts[page.with_name(name)] = pareto_chart(site, WIDE_PX, largest_mib, alone=True)
    for path, text in texts.items():
        with replace_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return advice, list(texts)


def report_csv(sites: Sequence[Site]) -> str:
    """Return all figures of all sites as CSV."""
    return csv_text([{"machine": site.title, **row} for site in sites for row in site.rows])
