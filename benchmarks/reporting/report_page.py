"""The report as one HTML page: the values of its template."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

from ... import __version__
from ...runtime.metrics.intervals import wilson
from ...runtime.pages.environment import render_page
from ..types import SettingsBlock
from .chart_marks import largest_peak_mib
from .formatting import data_line, document_line, machine_line, notes
from .latency_bars import latency_chart, longest_bar_ms, shows_model_alone
from .paper_figures import REPORTED, TEST_IMAGES
from .pareto_chart import pareto_chart
from .recommendation import Advice
from .result_merging import Site
from .selection_criteria import Limits, is_model_alone, sensitivity, unseen_figure, wait_ms
from .table_columns import COLUMNS, CONFIGURATION, Column, shown
from .types import Row

TEMPLATE = Path(__file__).resolve().parent / "templates" / "report.html"
WIDE_PX, NARROW_PX = 1040, 356  # widths that charts are drawn for
IMAGE_SOURCES = {
    "drawn": "drawn, no smear",
    "data": "first image of the data set",
    "given": "given by the user",
}


def report_page(sites: Sequence[Site], advice: Advice, limits: Limits, command: str) -> str:
    """Return the page.

    Parameters
    ----------
    sites : sequence of Site
    advice : Advice
    limits : Limits
    command : str
        The command line that the page was made with.

    Raises
    ------
    MissingPackageError
        If Jinja2, matplotlib or adjustText is not installed.
    """
    every = [(site, row) for site in sites for row in site.rows]
    good = [(site, row) for site, row in every if row["status"] == "ok"]
    columns = _columns(sites, [row for _, row in good])
    return render_page(
        TEMPLATE,
        sites=_sites(sites),
        totals=_totals(sites),
        advice=advice,
        limited=limits != Limits(),
        limits=limits.in_words(),
        given=limits,
        columns=columns,
        groups=_groups(columns),
        lines=[_line(site, row, columns) for site, row in good],
        failed=[(site, row) for site, row in every if row["status"] == "failed"],
        generated=any(data["generated"] for site in sites for data in site.data),
        noisy=any(row["noise"] for _, row in good),
        test_images=TEST_IMAGES,
        perfect=wilson(TEST_IMAGES, TEST_IMAGES)[0],
        paper=[_paper(model, [row for _, row in good]) for model in REPORTED],
        command=command,
        made=datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        version=__version__,
    )


def _sites(sites: Sequence[Site]) -> list[dict[str, Any]]:
    from markupsafe import Markup

    largest_mib = largest_peak_mib(sites)
    charts = []
    for site in sites:
        longest_ms = longest_bar_ms(site, sites)
        charts.append(
            {
                "title": site.title,
                "alone": shows_model_alone(site),
                # An SVG writer has escaped the text in the charts.
                "pareto_wide": Markup(pareto_chart(site, WIDE_PX, largest_mib)),
                "pareto_narrow": Markup(pareto_chart(site, NARROW_PX, largest_mib)),
                "bars_wide": Markup(latency_chart(site, WIDE_PX, longest_ms)),
                "bars_narrow": Markup(latency_chart(site, NARROW_PX, longest_ms)),
                "facts": _facts(site),
            }
        )
    return charts


def _facts(site: Site) -> list[tuple[str, str]]:
    machine = site.machine
    versions = {name: value for name, value in machine["versions"].items() if value}
    facts = [
        ("machine", machine_line(machine)),
        ("instruction sets", ", ".join(machine["flags"])),
        ("governor", machine.get("governor")),
        ("versions", ", ".join(f"{name} {value}" for name, value in versions.items())),
        *(_settings(site.settings) if site.settings else [("measured", "nothing: estimates only")]),
        ("accuracy on", "; ".join(map(data_line, site.data)) or "not measured"),
        *(("result", document_line(document)) for document in site.documents),
    ]
    return [(key, value) for key, value in facts if value]


def _settings(settings: SettingsBlock) -> list[tuple[str, str]]:
    image = settings["image"]
    source = IMAGE_SOURCES.get(image["source"], image["source"])
    return [
        (
            "rounds",
            f"{settings['min_rounds']} to {settings['max_rounds']}, each {settings['seconds']:g} s,"
            f" until the intervals of the medians are within ± {settings['width']:.0%}",
        ),
        (
            "image timed",
            f"{image['width']} × {image['height']}, {image['bytes'] / 2**20:.1f} MiB ({source})",
        ),
    ]


def _totals(sites: Sequence[Site]) -> dict[str, int]:
    rows = [row for site in sites for row in site.rows]
    good = [row for row in rows if row["status"] == "ok"]
    only_estimates = [all(row["kind"] == "estimated" for row in site.rows) for site in sites]
    return {
        "machines": only_estimates.count(False),
        "boards": only_estimates.count(True),
        "models": len({row["model"] for row in good}),
        "measured": sum(row["kind"] == "measured" for row in good),
        "estimated": sum(row["kind"] == "estimated" for row in good),
        "alone": sum(row["kind"] == "estimated" and is_model_alone(row) for row in good),
        "failed": len(rows) - len(good),
        "judged": sum(sensitivity(row) is not None for row in good),
    }


def _columns(sites: Sequence[Site], rows: Sequence[Row]) -> list[Column]:
    """Return the columns of the page; those that are hidden at first come last."""
    columns = shown(COLUMNS, rows)
    if len(sites) > 1:
        machine = Column(
            "machine",
            CONFIGURATION,
            "machine",
            lambda row: cast(dict[str, Any], row)["machine"],
            extra=False,
        )
        columns.insert(sum(column.group == CONFIGURATION for column in columns), machine)
    return sorted(columns, key=lambda column: column.extra)


def _groups(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Return the headings above the columns, one for each run of columns of the same group.

    The first column has a heading of its own, because a narrow screen hides the others of its
    group.
    """
    groups: list[dict[str, Any]] = []
    for number, column in enumerate(columns):
        key = (column.group, column.extra, number > 0)
        if not groups or groups[-1]["key"] != key:
            groups.append({"key": key, "title": column.group, "extra": column.extra, "count": 0})
        groups[-1]["count"] += 1
    for group in groups[1:]:
        if group["title"] == CONFIGURATION:
            group |= {"title": "", "configuration": True}
    return groups


def _line(site: Site, row: Row, columns: Sequence[Column]) -> dict[str, Any]:
    """Return one line of the table of all configurations."""
    row = cast(Row, {**row, "machine": site.title})
    tags = notes(row)
    cells = [
        {
            "column": column,
            "text": column.text(row),
            "more": column.more(row),
            "value": "" if (value := column.value(row)) is None else value,
            "why": row["accuracy_note"] if value is None and column.always else "",
        }
        for column in columns
    ]
    words = [site.title, *(column.whole(row) for column in columns), row["bundle"], row["kind"]]
    found_blasts = sensitivity(row)
    return {
        "kind": row["kind"],
        "tags": [
            {"name": name, "kind": name.split()[0].strip(":"), "why": why} for name, why in tags
        ],
        "cells": cells,
        "short": f"{row['precision']} · {row['backend']} · {row['threads']}",
        "where": site.title,
        "search_text": " ".join([*words, *(name for name, _ in tags)]).lower(),
        "wait": round(wait_ms(row), 3),
        "memory": "" if row["peak_mib"] is None else row["peak_mib"],
        "sensitivity": "" if found_blasts is None else found_blasts,
    }


def _paper(model: str, rows: Sequence[Row]) -> dict[str, Any]:
    """Return a model's accuracy: as the paper reports it, measured, and out of fold."""
    of_model = [row for row in rows if row["model"] == model]
    figures = [unseen_figure(row, "accuracy") for row in of_model if sensitivity(row) is not None]
    measured = [figure for figure in figures if figure]
    here = None
    if measured:
        low, high = (100 * pick(one["value"] for one in measured) for pick in (min, max))
        span = f"{low:.1f} %" if low == high else f"{low:.1f}–{high:.1f} %"
        here = f"{span} of {measured[0]['n']}"
    folds = [(row.get("training") or {}).get("out_of_fold") for row in of_model]
    fold = next((one["accuracy"] for one in folds if one and one["accuracy"]), None)
    out_of_fold = fold and f"{100 * fold['value']:.1f} % of {fold['n']}"
    return {"model": model, "reported": REPORTED[model], "here": here, "out_of_fold": out_of_fold}
