"""The page that ends a study, HTML and Markdown, from ``study.json`` alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...runtime.files import replace_file
from ...runtime.metrics.metrics import Json
from .report_sentences import (
    CONTRADICTIONS,
    INDEPENDENT,
    KINDS,
    NOTHING,
    camera_words,
    code_words,
    strengths,
    verdict_words,
    weights_words,
)
from .svg_charts import COLOURS, curve_chart, interval_bar, lowest, roc_chart

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
            figure=figure, plain=plain, sentence=sentence, span=span, seconds=seconds, p=p_value
        )
        environment.globals.update(
            kinds=KINDS,
            colours=order,
            camera_words=camera_words,
            verdict_words=verdict_words,
            weights_words=weights_words,
            code_words=code_words,
            contradictions=CONTRADICTIONS,
            independent=INDEPENDENT,
            strengths=strengths,
            columns=columns,
            alone=lambda section: _flat(section["camera_alone"]),
            lowest=lowest,
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
            entry["in"][at] = _flat(row)
    kinds, models = list(KINDS), document["settings"]["models"]
    return [
        found[key] for key in sorted(found, key=lambda k: (models.index(k[0]), kinds.index(k[1])))
    ]


def columns(section: Json) -> list[tuple[str, str, str]]:
    """Return what the first table shows of a section: key of a summary, heading, of what."""
    if section["split"] == "camera":
        return [("auc", "AUC", ""), ("sensitivity", "sens.", ""), ("specificity", "spec.", "")]
    found = [("accuracy", "accuracy", ""), ("auc", "AUC", "")]
    if section["split"] != "paper" and section["both_labels"]:
        found.insert(1, ("both_labels", "accuracy", f"{', '.join(section['both_labels'])} only"))
    return found


def sentence(text: str) -> str:
    """Return a text with its first letter large, and no other one changed."""
    return text[:1].upper() + text[1:]


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


def _flat(row: Json) -> Json:
    return {**row["summary"], "both_labels": row["both_labels"]}
