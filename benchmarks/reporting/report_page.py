"""The report as one HTML page that needs no network: sites, pictures and tables put together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ... import __version__
from ...errors import MissingPackageError
from ...runtime.metrics.intervals import wilson
from .chart_marks import heaviest, legend
from .formatting import data_line, document_line, machine_line, notes
from .latency_bars import bars, is_alone, scale
from .paper_figures import REPORTED, TEST_IMAGES
from .pareto_chart import pareto
from .recommendation import Advice
from .result_merging import Site
from .selection_criteria import Limits, sensitivity, wait_ms
from .table_columns import COLUMNS, WHAT, Column, shown

Json = dict[str, Any]

TEMPLATES = Path(__file__).parent / "templates"
TITLE = "Which model, on which machine"
WIDE, NARROW = 1040, 356  # pixels that pictures are drawn for
SOURCES = {"drawn": "drawn, no smear", "data": "the first of the data", "given": "as given"}


def render(sites: Sequence[Site], advice: Advice, limits: Limits, command: str) -> str:
    """Return the page.

    Parameters
    ----------
    sites : sequence of Site
    advice : Advice
    limits : Limits
    command : str
        What made it, as a user would type it.

    Raises
    ------
    MissingPackageError
        If Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ModuleNotFoundError:
        raise MissingPackageError("jinja2", "report", "the page of a report") from None
    house = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    every = [(site, row) for site in sites for row in site.rows]
    good = [(site, row) for site, row in every if row["status"] == "ok"]
    columns = _columns(sites, [row for _, row in good])
    text: str = house.get_template("report.html").render(
        title=TITLE,
        css=_raw("report.css"),
        js=_raw("report.js"),
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
    return text


def style_sheet() -> str:
    """Return the page's style sheet."""
    return (TEMPLATES / "report.css").read_text(encoding="utf-8")


def _raw(name: str) -> Any:
    from markupsafe import Markup

    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def _sites(sites: Sequence[Site]) -> list[Json]:
    biggest = heaviest(sites)
    return [
        {
            "title": site.title,
            "alone": is_alone(site),
            "legend": legend([site], biggest),
            "pareto_wide": pareto(site, WIDE, biggest),
            "pareto_narrow": pareto(site, NARROW, biggest),
            "bars_wide": bars(site, WIDE, scale(site, sites)),
            "bars_narrow": bars(site, NARROW, scale(site, sites)),
            "facts": _facts(site),
        }
        for site in sites
    ]


def _facts(site: Site) -> list[tuple[str, str]]:
    machine = site.machine
    versions = {name: value for name, value in machine["versions"].items() if value}
    said = [
        ("machine", machine_line(machine)),
        ("instruction sets", ", ".join(machine["flags"])),
        ("governor", machine.get("governor")),
        ("versions", ", ".join(f"{name} {value}" for name, value in versions.items())),
        *(_settings(site.settings) if site.settings else [("measured", "nothing: estimates only")]),
        ("accuracy on", "; ".join(map(data_line, site.data)) or "not measured"),
        *(("result", document_line(document)) for document in site.documents),
    ]
    return [(key, value) for key, value in said if value]


def _settings(settings: Json) -> list[tuple[str, str]]:
    image = settings["image"]
    return [
        (
            "rounds",
            f"{settings['min_rounds']} to {settings['max_rounds']}, each {settings['seconds']:g} s,"
            f" until the intervals of the medians are within ± {settings['width']:.0%}",
        ),
        (
            "image timed",
            f"{image['width']} × {image['height']}, {image['bytes'] / 2**20:.1f} MiB "
            f"({SOURCES[image['source']]})",
        ),
    ]


def _totals(sites: Sequence[Site]) -> Json:
    rows = [row for site in sites for row in site.rows]
    good = [row for row in rows if row["status"] == "ok"]
    boards = [all(row["kind"] == "estimated" for row in site.rows) for site in sites]
    return {
        "machines": boards.count(False),
        "boards": boards.count(True),
        "models": len({row["model"] for row in good}),
        "measured": sum(row["kind"] == "measured" for row in good),
        "estimated": sum(row["kind"] == "estimated" for row in good),
        "failed": len(rows) - len(good),
        "judged": sum(sensitivity(row) is not None for row in good),
    }


def _columns(sites: Sequence[Site], rows: Sequence[Json]) -> list[Column]:
    """Return the columns of the page: what is behind the toggle comes last."""
    found = shown(COLUMNS, rows)
    if len(sites) > 1:
        where = Column("machine", WHAT, "machine", lambda row: row["machine"], extra=False)
        found.insert(sum(column.group == WHAT for column in found), where)
    return sorted(found, key=lambda column: column.extra)


def _groups(columns: Sequence[Column]) -> list[Json]:
    """Return the headings above the columns: one for each run of the same group.

    The first column has one of its own: a narrow screen shows it alone of its group.
    """
    groups: list[Json] = []
    for number, column in enumerate(columns):
        key = (column.group, column.extra, number > 0)
        if not groups or groups[-1]["key"] != key:
            groups.append({"key": key, "title": column.group, "extra": column.extra, "count": 0})
        groups[-1]["count"] += 1
    for group in groups[1:]:
        if group["title"] == WHAT:
            group |= {"title": "", "what": True}
    return groups


def _line(site: Site, row: Json, columns: Sequence[Column]) -> Json:
    row = {**row, "machine": site.title}
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
    known = [site.title, *(column.whole(row) for column in columns), row["bundle"], row["kind"]]
    found = sensitivity(row)
    return {
        "kind": row["kind"],
        "tags": [
            {"name": name, "kind": name.split()[0].strip(":"), "why": why} for name, why in tags
        ],
        "cells": cells,
        "short": f"{row['precision']} · {row['backend']} · {row['threads']}",
        "where": site.title,
        "text": " ".join([*known, *(name for name, _ in tags)]).lower(),
        "wait": round(wait_ms(row), 3),
        "memory": "" if row["peak_mib"] is None else row["peak_mib"],
        "sensitivity": "" if found is None else found,
    }


def _paper(model: str, rows: Sequence[Json]) -> Json:
    mine = [row for row in rows if row["model"] == model]
    judged = [row["accuracy"]["accuracy"] for row in mine if sensitivity(row) is not None]
    folds = [(row.get("training") or {}).get("out_of_fold") for row in mine]
    fold = next((one["accuracy"] for one in folds if one and one["accuracy"]), None)
    here = None
    if judged:
        low, high = (pick(one["value"] for one in judged) for pick in (min, max))
        images = judged[0]["n"]
        here = f"{100 * low:.1f} %" if low == high else f"{100 * low:.1f}–{100 * high:.1f} %"
        here += f" of {images}"
    said = fold and f"{100 * fold['value']:.1f} % of {fold['n']}"
    return {"model": model, "reported": REPORTED[model], "here": here, "fold": said}
