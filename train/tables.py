"""The text that ``models``, ``train`` and ``evaluate`` print; imports neither keras nor rich."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..runtime.metrics.metrics import Json
from ..runtime.terminal import printable, printable_document
from ..runtime.text_table import text_table
from .runs.cross_fitting import IN_SAMPLE
from .runs.run_folder import Run
from .runs.types import CELL

NO_VALUE = "–"
FIGURES = {
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "auc": "auc",
    "sensitivity_at_95": "sensitivity at specificity 0.95",
}


def models_table(document: Mapping[str, Any]) -> str:
    """Return the document of ``alledge models`` as a table."""
    heading = ["model", "head", "trainable", "non-trainable", "optimizer", "total"]
    rows = [[*heading, "MB float32", "MB int8", "base in the paper", "epochs", "reported"]]
    for row in document["models"]:
        paper = row["paper"]
        paper_columns = [paper["base"], str(paper["epochs"]), f"{paper['reported_accuracy']:.2%}"]
        for name, head in row["heads"].items():
            counts = [head[key] for key in ("trainable", "non_trainable", "optimizer", "total")]
            sizes = [head["float32_mb"], head["int8_mb"]]
            rows.append(
                [
                    row["name"],
                    name,
                    *(f"{count:,}" for count in counts),
                    *(f"{size:.1f}" for size in sizes),
                    *(paper_columns if name == "paper" else ["", "", ""]),
                ]
            )
    return text_table(rows, left=2)


def run_table(run: Run) -> str:
    """Return the results of a finished run in a few lines."""
    record = printable_document(run.record)
    metrics, folds = record["oof"], record["split"]["folds"]
    unit = "cells" if record["task"] == CELL else "images"
    low, high = record["band"]
    lines = [
        f"{printable(str(run.path))}: {record['model']} on {_data_names(record)}, "
        f"{metrics['images']} {unit} out of fold, {folds} fold{'s' if folds > 1 else ''}",
        *record.get("reading", ()),
        *(f"note: {note}" for note in record["split"].get("notes", ())),
        *_directions(record.get("directions") or (), unit),
        text_table([[_heading(unit), "value", "95 % interval"], *_metric_rows(metrics)]),
        f"threshold {record['threshold']:.3f}, review between {low:.3f} and {high:.3f}, "
        f"temperature {record['temperature']:.2f}",
    ]
    if record.get("calibration") == IN_SAMPLE:
        lines.append(f"threshold and temperature were fitted to these same {unit}: in-sample")
    if record["against_probe"]:
        lines.append(_probe_comparison(record["against_probe"], unit))
    for camera, figures in metrics["cameras"].items() if len(metrics["cameras"]) > 1 else ():
        lines.append(
            f"camera {camera}: accuracy {_with_interval(figures['accuracy'])} on "
            f"{figures['images']} {unit}, {figures['positives']} of them positive"
        )
    if record["task"] == CELL:
        lines += _field_lines(record)
    return "\n".join(lines)


def _data_names(record: Json) -> str:
    return " + ".join(source["name"] for source in record.get("sources") or [record["data"]])


def _heading(unit: str) -> str:
    return unit if unit == "cells" else ""


def _field_lines(record: Json) -> list[str]:
    """Return the figures of the fields of a run of cells."""
    fields, rule = record["fields"], record["field"]
    if fields is None:
        return ["no fields of both classes: how a field is judged by its cells was not fitted"]
    low, high = rule["band"]
    certain = record.get("certain_auc")
    lines = [
        *(
            [f"AUC against the cells of healthy fields alone: {_with_interval(certain)}"]
            if certain
            else ()
        ),
        *_directions(record.get("field_directions") or (), "fields"),
        _field_table("fields", fields),
        f"threshold {rule['threshold']:.3f}, review between {low:.3f} and {high:.3f}",
        _lost_line(fields),
    ]
    if record["field_calibration"] == IN_SAMPLE:
        lines.append("the rule of fields was fitted to these same fields: in-sample")
    return lines + _count_tables(fields)


def _field_table(heading: str, fields: Json) -> str:
    return text_table([[heading, "value", "95 % interval"], *_metric_rows(fields)])


def _lost_line(fields: Json) -> str:
    missing = fields["no_answer"]
    return (
        f"{len(fields['lost'])} of {fields['positives']} positive fields lost; no leucocyte found "
        f"in {missing['positive']} positive and {missing['negative']} negative fields; detection "
        f"missed {fields['missed_blasts']} blasts"
    )


def _count_tables(fields: Json) -> list[str]:
    """Return a table of the counted blasts; nothing if the data set does not say their number."""
    if not (counts := fields["counts"]):
        return []
    rows = [["blasts counted", "fields", "true", "counted", "mean error", "Pearson"]]
    for name, row in (("all", counts), *counts["cameras"].items()):
        numbers = [str(row[key]) for key in ("fields", "true", "counted")]
        rows.append(
            [name, *numbers, *(_with_interval(row[key]) for key in ("mean_error", "pearson"))]
        )
    return [text_table(rows)]


def _directions(directions: Sequence[Json], unit: str = "images") -> list[str]:
    """Return a table of the directions of a camera split; nothing for other splits."""
    if not directions:
        return []
    rows = [[f"positive {unit} of", "trained on those of", "", "AUC", "sensitivity", "specificity"]]
    if unit == "fields":
        rows[0].append("at specificity 0.95")
    elif unit == "cells":
        rows[0].append("AUC, healthy fields")
    for row in directions:
        for name in ("model", "probe"):
            if figures := row[name]:
                shown = [figures[key] for key in ("auc", "sensitivity", "specificity")]
                if unit == "fields":
                    shown.append(figures["sensitivity_at_95"])
                elif unit == "cells":
                    shown.append(figures.get("certain_auc"))
                trained = ", ".join(row["trained"])
                rows.append([row["tested"], trained, name, *map(_with_interval, shown)])
    which = {"images": "each image", "cells": "each cell", "fields": "each field"}[unit]
    return [
        text_table(rows, left=3),
        f"all directions pooled ({which} counts once, with its mean score):",
    ]


def _probe_comparison(comparison: Json, unit: str) -> str:
    difference = comparison["auc_difference"]
    return (
        f"compared with the linear probe: only the model is right on "
        f"{comparison['only_model_right']} {unit}, only the probe on "
        f"{comparison['only_probe_right']} (McNemar p = {comparison['mcnemar_p']:.3g}), AUC "
        f"{difference['value']:+.3f} ({difference['low']:+.3f} to {difference['high']:+.3f})"
    )


def _with_interval(figure: Json | None) -> str:
    if not figure:
        return NO_VALUE
    return f"{figure['value']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})"


def _metric_rows(metrics: Json) -> list[list[str]]:
    rows = []
    for key, name in FIGURES.items():
        figure = metrics.get(key)
        if figure:
            interval = f"{figure['low']:.3f}–{figure['high']:.3f}"
            rows.append([name, f"{figure['value']:.3f}", interval])
    return rows


def evaluation_text(document: Json) -> str:
    """Return the document of ``alledge evaluate`` as text."""
    metrics, seen = document["operating"], document["seen_included"]
    mark = " (trained on some of these)" if seen else ""
    is_cell, total = document.get("task") == CELL, document["data"]["images"]
    used = total - document["seen_left_out"] - len(document["failed"])
    lines = [
        f"{document['subject']['name']} ({document['subject']['backend']}) on "
        f"{document['data']['name']}: {used} of {total} images",
        *document["data"].get("reading", ()),
    ]
    if metrics is not None:
        lines += _operating_tables(metrics, "cells " if is_cell else "", mark)
    if is_cell and (fields := document["fields"]):
        lines += [
            _field_table(f"fields at the threshold {fields['threshold']:.3f}{mark}", fields),
            _lost_line(fields),
            *_count_tables(fields),
        ]
    if document["seen_left_out"]:
        lines.append(
            f"{document['seen_left_out']} images left out: the model was trained on them "
            "(--include-seen)"
        )
    if seen:
        lines.append(f"the model was trained on {seen} of these images: the metrics are optimistic")
    lines += [f"note: {note}" for note in document["notes"]]
    lines += _review_lines(document["review"], used)
    lines += [f"not read: {row['image']}: {row['error']}" for row in document["failed"]]
    return "\n".join(lines)


def _operating_tables(metrics: Json, unit: str, mark: str) -> list[str]:
    """Return the metrics at the threshold, and the confusion matrix."""
    matrix = metrics["confusion"]
    heading = [f"{unit}at the threshold {metrics['threshold']:.3f}{mark}", "value", "95 % interval"]
    pairs = zip(matrix["labels"], matrix["counts"], strict=True)
    return [
        text_table([heading, *_metric_rows(metrics)]),
        text_table(
            [
                ["truth \\ predicted", *matrix["labels"]],
                *([label, *map(str, counts)] for label, counts in pairs),
            ]
        ),
    ]


def _review_lines(review: Json, images: int) -> list[str]:
    """Return which images would be sent to review, and the metrics of the others."""
    flags = ", ".join(f"{count} {flag}" for flag, count in review["flags"].items())
    lines = [f"review: {review['images']} of {images} images{f' ({flags})' if flags else ''}"]
    if not review["guarded"]:
        lines.append(
            "no guards, or guards of an earlier alledge: only the decoder and the model raise flags"
        )
    if review["unflagged"] is None:
        lines.append(
            "no image is without a flag: none of the metrics is of a result with status ok"
        )
    elif review["images"]:
        heading = [f"without a flag: {images - review['images']} images", "value", "95 % interval"]
        lines.append(text_table([heading, *_metric_rows(review["unflagged"])]))
    return lines
