"""A report from results: the page, Markdown and CSV beside it; what the command calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from ...runtime.files import replace_file
from ..result_file import read_result
from .chart_marks import heaviest
from .estimated_site import estimated_site
from .formatting import data_line, document_line, machine_line
from .pareto_chart import standalone
from .recommendation import Advice, recommend
from .report_page import WIDE, render, style_sheet
from .result_merging import Site, merge
from .selection_criteria import Limits
from .text_tables import csv_text, markdown_notes, markdown_tables, short_table


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
        The page; ``.md``, ``.csv`` and the picture as ``.svg`` are written beside it.
    limits : Limits
    command : str
        Printed on the page.
    estimate : sequence of str
        Device profiles whose estimates are added.

    Returns
    -------
    (advice, files) : (Advice, list of Path)

    Raises
    ------
    DataError
        If a result cannot be read.
    UsageError
        As `estimated_site`.
    MissingPackageError
        If Jinja2 is not installed.
    """
    documents = [cast(dict[str, Any], read_result(path)) for path in results]
    sites = merge(documents) + [estimated_site(name) for name in dict.fromkeys(estimate)]
    advice = recommend(sites, limits)
    page = Path(out)
    texts = {
        page: render(sites, advice, limits, command),
        page.with_suffix(".md"): markdown(sites, advice, limits),
        page.with_suffix(".csv"): table(sites),
    }
    for number, site in enumerate(sites, 1):
        name = page.with_suffix(".svg").name if len(sites) == 1 else f"{page.stem}-{number}.svg"
        texts[page.with_name(name)] = standalone(site, WIDE, style_sheet(), heaviest(sites))
    for path, text in texts.items():
        with replace_file(path) as beside:
            beside.write_text(text, encoding="utf-8")
    return advice, list(texts)


def markdown(sites: Sequence[Site], advice: Advice, limits: Limits) -> str:
    """Return the report as Markdown."""
    title = f"## {advice.kicker}: {advice.title}"
    parts = [title, f"Limits: {limits.in_words()}.", *advice.reasons]
    for site in sites:
        parts += [f"## {site.title}", machine_line(site.machine) + "."]
        parts += ["\n".join(f"- result: {document_line(one)}" for one in site.documents)]
        parts += [f"Accuracy on {data_line(data)}." for data in site.data]
        measured = [row for row in site.rows if row["kind"] == "measured"]
        if measured:
            counts = " / ".join(map(str, sorted({row["threads"] for row in measured})))
            parts.append(
                f"In short: median ms of the model alone by engine, with {counts} threads; then "
                "the way from the file to the answer, the cold start and the peak memory on the "
                "engine and threads that answer soonest."
            )
            parts.append(short_table(measured))
        for kind in ("measured", "estimated"):
            rows = [row for row in site.rows if row["kind"] == kind and row["status"] == "ok"]
            if rows:
                parts += [f"{kind.capitalize()}:", *markdown_tables(rows)]
                parts.append("\n".join(markdown_notes(rows)))
        broken = [row for row in site.rows if row["status"] == "failed"]
        parts += [f"- failed: {row['bundle']}, {row['backend']}: {row['why']}" for row in broken]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(sites: Sequence[Site]) -> str:
    """Return the rows of all sites as CSV, every figure in it."""
    return csv_text([{"machine": site.title, **row} for site in sites for row in site.rows])
