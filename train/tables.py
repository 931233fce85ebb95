"""The text that ``models``, ``train`` and ``evaluate`` print; imports neither keras nor rich."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..runtime.metrics.metrics import Json
from ..runtime.terminal import printable, printable_document
from ..runtime.text_table import text_table
from .runs.cross_fitting import IN_SAMPLE
from .runs.run_folder import Run

NO_VALUE = "–"


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
    low, high = record["band"]
    lines = [
        f"{printable(str(run.path))}: {record['model']} on {record['data']['name']}, "
        f"{metrics['images']} images out of fold, {folds} fold{'s' if folds > 1 else ''}",
        *(f"note: {note}" for note in record["split"].get("notes", ())),
        *_directions(record.get("directions") or ()),
        text_table([["", "value", "95 % interval"], *_metric_rows(metrics)]),
        f"threshold {record['threshold']:.3f}, review between {low:.3f} and {high:.3f}, "
        f"temperature {record['temperature']:.2f}",
    ]
    if record.get("calibration") == IN_SAMPLE:
        lines.append("threshold and temperature were fitted to these same images: in-sample")
    if record["against_probe"]:
        lines.append(_probe_comparison(record["against_probe"]))
    for camera, figures in metrics["cameras"].items() if len(metrics["cameras"]) > 1 else ():
        lines.append(
            f"camera {camera}: accuracy {_with_interval(figures['accuracy'])} on "
            f"{figures['images']} images, {figures['positives']} of them positive"
        )
    return "\n".join(lines)


def _directions(directions: Sequence[Json]) -> list[str]:
    """Return a table of the directions of a camera split; nothing for other splits."""
    if not directions:
        return []
    rows = [["positive images of", "trained on those of", "", "AUC", "sensitivity", "specificity"]]
    for row in directions:
        for name in ("model", "probe"):
            if row[name]:
                figures = [row[name][key] for key in ("auc", "sensitivity", "specificity")]
                trained = ", ".join(row["trained"])
                rows.append([row["tested"], trained, name, *map(_with_interval, figures)])
    return [
        text_table(rows, left=3),
        "all directions pooled (each image counts once, with its mean score):",
    ]


def _probe_comparison(comparison: Json) -> str:
    difference = comparison["auc_difference"]
    return (
        f"compared with the linear probe: only the model is right on "
        f"{comparison['only_model_right']} images, only the probe on "
        f"{comparison['only_probe_right']} (McNemar p = {comparison['mcnemar_p']:.3g}), AUC "
        f"{difference['value']:+.3f} ({difference['low']:+.3f} to {difference['high']:+.3f})"
    )


def _with_interval(figure: Json | None) -> str:
    if not figure:
        return NO_VALUE
    return f"{figure['value']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})"


def _metric_rows(metrics: Json) -> list[list[str]]:
    rows = []
    for name in ("accuracy", "sensitivity", "specificity", "auc"):
        figure = metrics[name]
        if figure:
            interval = f"{figure['low']:.3f}–{figure['high']:.3f}"
            rows.append([name, f"{figure['value']:.3f}", interval])
    return rows


def evaluation_text(document: Json) -> str:
    """Return the document of ``alledge evaluate`` as text."""
    metrics, seen = document["operating"], document["seen_included"]
    mark = " (trained on some of these)" if seen else ""
    heading = [f"at the threshold {metrics['threshold']:.3f}{mark}", "value", "95 % interval"]
    matrix = metrics["confusion"]
    lines = [
        f"{document['subject']['name']} ({document['subject']['backend']}) on "
        f"{document['data']['name']}: {metrics['images']} of {document['data']['images']} images",
        text_table([heading, *_metric_rows(metrics)]),
        text_table(
            [
                ["truth \\ predicted", *matrix["labels"]],
                *(
                    [label, *map(str, counts)]
                    for label, counts in zip(matrix["labels"], matrix["counts"], strict=True)
                ),
            ]
        ),
    ]
    if document["seen_left_out"]:
        lines.append(
            f"{document['seen_left_out']} images left out: the model was trained on them "
            "(--include-seen)"
        )
    if seen:
        lines.append(f"the model was trained on {seen} of these images: the metrics are optimistic")
    lines += _review_lines(document["review"], metrics["images"])
    lines += [f"not read: {row['image']}: {row['error']}" for row in document["failed"]]
    return "\n".join(lines)


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
