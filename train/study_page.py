"""The page that ends a study, HTML and Markdown, from ``study.json`` alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..runtime.files import replace_file
from ..runtime.metrics import Json
from .study_charts import COLOURS, curve_chart, interval_bar, roc_chart

KINDS = {"probe": "linear probe", "head": "head", "base": "fine-tuned"}
NOTHING = "–"
TEMPLATES = Path(__file__).resolve().parent / "templates"


def write_pages(out: Path, document: Json) -> Path:
    """Write ``study.html`` and ``study.md`` into a study's folder.

    Parameters
    ----------
    out : Path
    document : dict
        As `tabulate` returns it.

    Returns
    -------
    Path
        The HTML page.
    """
    models = document["settings"]["models"]
    order = {model: at % COLOURS for at, model in enumerate(models)}
    for name in ("study.md", "study.html"):
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
            autoescape=name.endswith(".html"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters.update(
            figure=figure, plain=plain, span=span, seconds=seconds, p=p_value
        )
        environment.globals.update(
            kinds=KINDS,
            colours=order,
            camera_words=camera_words,
            random_words=random_words,
            roc_chart=roc_chart,
            curve_chart=curve_chart,
            interval_bar=interval_bar,
        )
        text = environment.get_template(f"{name}.j2").render(
            study=document,
            sections=document["sections"],
            overview=overview(document),
            costs={row["model"]: row for row in document["costs"]},
        )
        with replace_file(out / name) as beside:
            beside.write_text(text.strip() + "\n", encoding="utf-8")
    return out / "study.html"


def overview(document: Json) -> list[Json]:
    """Return one entry a model and kind, with its row in every section that has one."""
    found: dict[tuple[str, str], Json] = {}
    for at, section in enumerate(document["sections"]):
        for row in section["rows"]:
            entry = found.setdefault((row["model"], row["kind"]), {"row": row, "in": {}})
            entry["in"][at] = row["summary"]
    kinds, models = list(KINDS), document["settings"]["models"]
    return [
        found[key] for key in sorted(found, key=lambda k: (models.index(k[0]), kinds.index(k[1])))
    ]


def camera_words(section: Json) -> str:
    """Return how the blasts of a camera left out were found, kind by kind."""
    parts = []
    for drawn in (False, True):
        for kind, title in KINDS.items():
            rows = [
                row["summary"]
                for row in section["rows"]
                if row["kind"] == kind and (row["weights"] == "random") == drawn
            ]
            if rows:
                found = _range([row["sensitivity"] for row in rows])
                cleared = _range([row["specificity"] for row in rows])
                areas = _range([row["auc"] for row in rows])
                parts.append(
                    f"{title}{' on random weights' * drawn}: {found} of the blasts found, "
                    f"{cleared} of the healthy cleared, AUC {areas}"
                )
    return "; ".join(parts) + "."


def random_words(section: Json) -> str:
    """Return how far features get that nothing was ever learnt for; nothing where there are none.

    The head on a frozen base of random weights sees light, colour and texture as they fall through
    random filters. Where it keeps up, the split does not measure what pretraining knows.
    """
    heads = [row for row in section["rows"] if row["kind"] == "head"]
    drawn = [row for row in heads if row["weights"] == "random"]
    given = [row for row in heads if row["weights"] != "random"]
    if not drawn:
        return ""

    def right(row: Json) -> float:
        return float(row["summary"]["accuracy"]["value"])

    figures = ", ".join(f"{row['title']} {right(row):.3f}" for row in drawn)
    words = f"A head on a base of random weights, which has learnt nothing, gives {figures}."
    least = min(given, key=right, default=None)
    if least and max(map(right, drawn)) >= right(least):
        words += (
            f" {least['title']}'s pretrained base gives no more, so what this split asks can be "
            "answered from light, colour and texture."
        )
    return words


def _range(figures: list[Json | None]) -> str:
    values = sorted(value["value"] for value in figures if value)
    if not values:
        return NOTHING
    low, high = f"{values[0]:.2f}", f"{values[-1]:.2f}"
    return low if low == high else f"{low}–{high}"


def figure(value: Json | None) -> str:
    """Return a proportion or an area to three digits."""
    return NOTHING if not value or math.isnan(value["value"]) else f"{value['value']:.3f}"


def span(value: Json | None) -> str:
    """Return its 95 % interval."""
    if not value or any(value[key] is None or math.isnan(value[key]) for key in ("low", "high")):
        return ""
    return f"{value['low']:.2f}–{value['high']:.2f}"


def plain(value: float | None, digits: int = 3) -> str:
    """Return a number, or a dash."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def p_value(value: float) -> str:
    """Return a p-value as one reads it."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def seconds(value: Any) -> str:
    """Return a duration as one reads it."""
    if value is None:
        return NOTHING
    if value < 1:
        return f"{1000 * value:.0f} ms"
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"
