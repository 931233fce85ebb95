"""A report from results: the page, Markdown and CSV beside it; what the command calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..runtime.files import replace_file
from .charts import standalone
from .merge import Site, merge
from .page import WIDE, render, style_sheet
from .recommendation import Advice, Limits, recommend
from .result import read
from .tables import csv_text, machine_line, markdown_table, short_table

MARKDOWN = (
    *("model", "precision", "engine", "threads", "p50 ms", "p95 ms", "end to end p50 ms"),
    *("end to end p95 ms", "fields/s", "cold start ms", "peak MiB", "file MiB"),
    *("sensitivity", "specificity"),
)


def report(
    results: Sequence[str | Path], out: str | Path, limits: Limits, command: str
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

    Returns
    -------
    (advice, files) : (Advice, list of Path)

    Raises
    ------
    DataError
        If a result cannot be read.
    MissingPackageError
        If Jinja2 is not installed.
    """
    sites = merge(map(read, results))
    advice = recommend(sites, limits)
    page = Path(out)
    texts = {
        page: render(sites, advice, limits, command),
        page.with_suffix(".md"): markdown(sites, advice, limits),
        page.with_suffix(".csv"): table(sites),
    }
    for number, site in enumerate(sites, 1):
        name = page.with_suffix(".svg").name if len(sites) == 1 else f"{page.stem}-{number}.svg"
        texts[page.with_name(name)] = standalone(site, WIDE, style_sheet())
    for path, text in texts.items():
        with replace_file(path) as beside:
            beside.write_text(text, encoding="utf-8")
    return advice, list(texts)


def markdown(sites: Sequence[Site], advice: Advice, limits: Limits) -> str:
    """Return the report as Markdown."""
    parts = [f"## {advice.title}", f"Limits: {limits.in_words()}.", *advice.reasons]
    for site in sites:
        parts.append(f"## {site.title}")
        parts.append(machine_line(site.machine) + ".")
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
                parts.append(f"{kind.capitalize()}:")
                names = [name for name in MARKDOWN if _told(name, rows)]
                parts.append(markdown_table(names, rows))
                if len(names) < len(MARKDOWN):
                    parts.append("Sensitivity and specificity: not measured.")
        broken = [row for row in site.rows if row["status"] == "failed"]
        parts += [f"- failed: {row['bundle']}, {row['backend']}: {row['why']}" for row in broken]
    return "\n\n".join(parts) + "\n"


def table(sites: Sequence[Site]) -> str:
    """Return the rows of all sites as CSV, every figure in it."""
    return csv_text([{"machine": site.title, **row} for site in sites for row in site.rows])


def _told(name: str, rows: Sequence[dict[str, object]]) -> bool:
    return name not in ("sensitivity", "specificity") or any(row["accuracy"] for row in rows)
