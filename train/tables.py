"""What the commands of the training room print as text; imports no more than the rows do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..runtime.metrics.metrics import Json
from ..runtime.text_table import text_table
from .runs.cross_fitting import IN_SAMPLE
from .runs.run_folder import Run

DETECTION = ("sensitivity", "specificity")


def models_table(document: Json) -> str:
    """Return the document of ``alledge models`` as a table."""
    heading = ["model", "head", "trainable", "non-trainable", "optimizer", "total"]
    rows = [[*heading, "MB float32", "MB int8", "base in the paper", "epochs", "reported"]]
    for row in document["models"]:
        for name, head in row["heads"].items():
            paper = row["paper"] if name == "paper" else None
            rows.append(
                [
                    row["name"],
                    name,
                    *(f"{head[key]:,}" for key in ("trainable", "non_trainable")),
                    *(f"{head[key]:,}" for key in ("optimizer", "total")),
                    *(f"{head[key]:.1f}" for key in ("float32_mb", "int8_mb")),
                    *_paper(paper),
                ]
            )
    return text_table(rows, left=2)


def _paper(paper: dict[str, Any] | None) -> list[str]:
    if paper is None:
        return ["", "", ""]
    return [paper["base"], str(paper["epochs"]), f"{paper['reported_accuracy']:.2%}"]


def run_table(run: Run) -> str:
    """Return what a finished run amounts to, in a few lines."""
    record = run.record
    oof, against = record["oof"], record["against_probe"]
    folds = record["split"]["folds"]
    lines = [
        f"{run.path}: {record['model']} on {record['data']['name']}, "
        f"{oof['images']} images out of fold, {folds} fold{'s' if folds > 1 else ''}",
        *(f"note: {note}" for note in record["split"].get("notes", ())),
        *_directions(record.get("directions") or ()),
        text_table([["", "value", "95 % interval"], *_figures(oof)]),
        f"threshold {record['threshold']:.3f}, to a person between {record['band'][0]:.3f} and "
        f"{record['band'][1]:.3f}, temperature {record['temperature']:.2f}",
    ]
    if record.get("calibration") == IN_SAMPLE:
        lines.append("these were fitted on the same images, there being no other folds: in-sample")
    if against:
        difference = against["auc_difference"]
        lines.append(
            f"against the linear probe: right alone {against['only_model_right']}, wrong alone "
            f"{against['only_probe_right']} (McNemar p = {against['mcnemar_p']:.3g}), AUC "
            f"{difference['value']:+.3f} ({difference['low']:+.3f} to {difference['high']:+.3f})"
        )
    for camera, figures in oof["cameras"].items() if len(oof["cameras"]) > 1 else ():
        value = figures["accuracy"]
        lines.append(
            f"camera {camera}: accuracy {value['value']:.3f} "
            f"({value['low']:.3f}–{value['high']:.3f}) on {figures['images']} images, "
            f"{figures['positives']} of them positive"
        )
    return "\n".join(lines)


def _directions(directions: Sequence[Json]) -> list[str]:
    """Return a table of what is found of a camera whose positive images were left out."""
    if not directions:
        return []
    rows = [["positive images of", "trained on those of", "", "AUC", "sensitivity", "specificity"]]
    for row in directions:
        for name in ("model", "probe"):
            if row[name]:
                figures = [_interval(row[name][key]) for key in ("auc", *DETECTION)]
                rows.append([row["tested"], ", ".join(row["trained"]), name, *figures])
    return [
        text_table(rows, left=3),
        "all directions pooled (an image counts once, by its mean score):",
    ]


def _interval(figure: Json | None) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})" if figure else "–"


def _figures(summary: Json) -> list[list[str]]:
    rows = []
    for name in ("accuracy", "sensitivity", "specificity", "auc"):
        figure = summary[name]
        if figure:
            interval = f"{figure['low']:.3f}–{figure['high']:.3f}"
            rows.append([name, f"{figure['value']:.3f}", interval])
    return rows


def evaluation_text(document: Json) -> str:
    """Return the document of ``alledge evaluate`` as text."""
    measured, seen = document["operating"], document["seen_included"]
    mark = " (trained on some of these)" if seen else ""
    lines = [
        f"{document['subject']['name']} ({document['subject']['backend']}) on "
        f"{document['data']['name']}: {measured['images']} of {document['data']['images']} images",
        text_table(
            [
                [f"at the threshold {measured['threshold']:.3f}{mark}", "value", "95 % interval"],
                *_figures(measured),
            ]
        ),
        text_table([["truth \\ said", *measured["confusion"]["labels"]], *_confusion(measured)]),
    ]
    if document["seen_left_out"]:
        lines.append(
            f"{document['seen_left_out']} images left out: the model was trained on them "
            "(--include-seen)"
        )
    if seen:
        lines.append(f"{seen} images of these are ones the model was trained on: no fair figure")
    lines += [f"not read: {row['image']}: {row['error']}" for row in document["failed"]]
    return "\n".join(lines)


def _confusion(summary: Json) -> list[list[str]]:
    matrix = summary["confusion"]
    return [
        [label, *map(str, row)]
        for label, row in zip(matrix["labels"], matrix["counts"], strict=True)
    ]
