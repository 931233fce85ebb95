"""The report as one HTML page that needs no network: sites, pictures and tables put together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import MissingPackageError
from ..runtime.intervals import wilson
from .charts import bars, fastest_engines, pareto
from .merge import Site
from .paper import REPORTED, TEST_IMAGES
from .recommendation import Advice, Limits, sensitivity, wait_ms
from .tables import cells, machine_line

Json = dict[str, Any]

TEMPLATES = Path(__file__).parent / "templates"
TITLE = "Which model, on which machine"
WIDE, NARROW = 1040, 356  # pixels that pictures are drawn for
# title, key of `tables.cells`, how it is sorted; those without a way to sort go by their words
COLUMNS = (
    *("model", "precision", "engine", "threads"),
    *("sensitivity", "specificity", "p50 ms", "p95 ms", "end to end p50 ms", "end to end p95 ms"),
    *("fields/s", "load ms", "first ms", "cold start ms", "CPU ms", "peak MiB", "steady MiB"),
    "file MiB",
)
WORDS = ("machine", "model", "precision", "engine")
SOURCES = {"drawn": "drawn, no smear", "data": "the first of the data", "given": "as given"}
LEGEND = (
    *(("circle", "float32"), ("square", "int8"), ("diamond", "float16"), ("triangle", "dynamic")),
)


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
    text: str = house.get_template("report.html").render(
        title=TITLE,
        css=_raw("report.css"),
        js=_raw("report.js"),
        sites=_sites(sites),
        totals=_totals([row for _, row in every]),
        advice=advice,
        limited=limits != Limits(),
        limits=limits.in_words(),
        given=limits,
        legend=_legend(any(row["kind"] == "estimated" for _, row in good)),
        columns=_columns(sites),
        lines=[_line(site, row, len(sites) > 1) for site, row in good],
        failed=[(site, row) for site, row in every if row["status"] == "failed"],
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
    medians = [
        (row["end_to_end"] or row["latency"])["p50_ms"]
        for site in sites
        for row in fastest_engines(site)
    ]
    longest = max(medians, default=1.0)
    return [
        {
            "title": site.title,
            "pareto_wide": pareto(site, WIDE),
            "pareto_narrow": pareto(site, NARROW),
            "bars_wide": bars(site, WIDE, longest),
            "bars_narrow": bars(site, NARROW, longest),
            "facts": _facts(site),
        }
        for site in sites
    ]


def _facts(site: Site) -> list[tuple[str, str]]:
    machine, settings = site.machine, site.settings
    versions = {name: value for name, value in machine["versions"].items() if value}
    image = settings["image"]
    said = [
        ("machine", machine_line(machine)),
        ("instruction sets", ", ".join(machine["flags"])),
        ("governor", machine["governor"]),
        ("versions", ", ".join(f"{name} {value}" for name, value in versions.items())),
        (
            "rounds",
            f"{settings['min_rounds']} to {settings['max_rounds']}, each {settings['seconds']:g} s,"
            f" until the interval of the median is within ± {settings['width']:.0%}",
        ),
        (
            "image timed",
            f"{image['width']} × {image['height']}, {image['bytes'] / 2**20:.1f} MiB "
            f"({SOURCES[image['source']]})",
        ),
        ("accuracy on", _data(site.data)),
        ("results merged", str(site.results) + ("" if site.complete else ", not all complete")),
    ]
    return [(key, value) for key, value in said if value]


def _data(data: Json | None) -> str:
    if data is None:
        return "not measured"
    made = ", generated: no real smear" if data["generated"] else ""
    return f"{data['name']}, {data['images']} images{made}"


def _totals(rows: Sequence[Json]) -> Json:
    good = [row for row in rows if row["status"] == "ok"]
    return {
        "models": len({row["model"] for row in good}),
        "measured": sum(row["kind"] == "measured" for row in good),
        "estimated": sum(row["kind"] == "estimated" for row in good),
        "failed": len(rows) - len(good),
        "judged": sum(sensitivity(row) is not None for row in good),
    }


def _legend(estimated: bool) -> Any:
    from markupsafe import Markup

    shapes = {
        "circle": '<circle class="mark" cx="8" cy="8" r="5.5"/>',
        "square": '<rect class="mark" x="3" y="3" width="10" height="10"/>',
        "diamond": '<polygon class="mark" points="8,1.5 14.5,8 8,14.5 1.5,8"/>',
        "triangle": '<polygon class="mark" points="8,2 14,13 2,13"/>',
    }
    parts = [
        f'<span><svg width="16" height="16" viewBox="0 0 16 16"><rect class="{engine}" x="2" y="2" '
        f'width="12" height="12" rx="3"/></svg>{engine}</span>'
        for engine in ("tflite", "onnx", "openvino")
    ]
    parts += [
        f'<span><svg width="16" height="16" viewBox="0 0 16 16" style="fill:var(--soft)">'
        f"{shapes[shape]}</svg>{precision}</span>"
        for shape, precision in LEGEND
    ]
    if estimated:
        parts.append(
            '<span><svg width="16" height="16" viewBox="0 0 16 16"><circle class="mark estimated '
            'tflite" cx="8" cy="8" r="5.5"/></svg>hollow: estimated</span>'
        )
    return Markup("".join(parts))


def _columns(sites: Sequence[Site]) -> list[Json]:
    names = (("machine",) if len(sites) > 1 else ()) + COLUMNS
    return [{"title": name, "left": name in WORDS} for name in names]


def _line(site: Site, row: Json, named: bool) -> Json:
    words = {"machine": site.title, **cells(row)}
    values = _values(row)
    line = []
    for column in (("machine",) if named else ()) + COLUMNS:
        text, _, more = words[column].partition(" (" if column.endswith("ity") else " ± ")
        line.append(
            {
                "text": text,
                "more": (f"({more}" if column.endswith("ity") else f"± {more}") if more else "",
                "value": "" if (value := values.get(column)) is None else value,
                "left": column in WORDS,
                "none": text in ("not measured", "–"),
                "tags": _tags(row) if column == "model" else [],
            }
        )
    found = sensitivity(row)
    wait = wait_ms(row)
    known = [site.title, *words.values(), row["bundle"], row["kind"]]
    return {
        "kind": row["kind"],
        "cells": line,
        "text": " ".join(known).lower(),
        "wait": round(wait, 3),
        "memory": "" if row["peak_mib"] is None else row["peak_mib"],
        "sensitivity": "" if found is None else found,
    }


def _values(row: Json) -> Json:
    """Return what each column of figures is sorted by."""
    latency, whole = row["latency"] or {}, row["end_to_end"] or {}
    found = row["accuracy"] or {}
    return {
        "machine": None,
        **{name: cells(row)[name] for name in ("model", "precision", "engine")},
        "threads": row["threads"],
        "p50 ms": latency.get("p50_ms"),
        "p95 ms": latency.get("p95_ms"),
        "end to end p50 ms": whole.get("p50_ms"),
        "end to end p95 ms": whole.get("p95_ms"),
        "fields/s": (row["throughput"] or {}).get("images_per_s"),
        "load ms": latency.get("load_ms"),
        "first ms": latency.get("first_ms"),
        "cold start ms": row["cold_start_ms"],
        "CPU ms": row["cpu_ms"],
        "peak MiB": row["peak_mib"],
        "steady MiB": row["steady_mib"],
        "file MiB": row["file_bytes"] and row["file_bytes"] / 2**20,
        "sensitivity": (found.get("sensitivity") or {}).get("value"),
        "specificity": (found.get("specificity") or {}).get("value"),
    }


def _tags(row: Json) -> list[Json]:
    tags = []
    if row["kind"] == "estimated":
        tags.append({"kind": "estimated", "why": row.get("basis", "")})
    if row["noise"]:
        tags.append({"kind": "noisy", "why": "; ".join(row["noise"])})
    if "repeats" in row:
        ends = row["repeats"]
        why = f"measured {ends['times']} times: medians {ends['low_ms']} to {ends['high_ms']} ms"
        tags.append({"kind": "newest", "why": why})
    return tags


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
