"""The table of a model card with the figures of each camera."""

from __future__ import annotations

from ..types import Json
from .markdown_table import table

FIGURES = ("accuracy", "sensitivity", "specificity", "auc")


def camera_table(metrics: Json) -> str:
    """Return the out-of-fold figures of each camera with their 95 % intervals.

    Parameters
    ----------
    metrics : dict
        The ``metrics`` of ``bundle.json``.

    Returns
    -------
    str
        Empty if there are not two cameras.
    """
    fields = metrics.get("fields")
    kinds = {"images": metrics} if fields is None else {"cells": metrics, "fields": fields}
    rows = [["camera", "judged", *FIGURES]]
    for kind, figures in kinds.items():
        for camera, row in figures.get("cameras", {}).items():
            rows.append([camera, f"{row['images']} {kind}", *(_figure(row, n) for n in FIGURES)])
    if len(metrics.get("cameras", {})) < 2:
        return ""
    return (
        "The same figures for each camera, or each folder of a data set whose files name none. "
        "All cameras are in the training of every fold: these are no figures of a microscope "
        f"that the model never saw.\n\n{table(rows)}"
    )


def _figure(row: Json, name: str) -> str:
    """Return a figure; a dash where a camera has no images of one of the classes."""
    figure = row.get(name)
    if not figure:
        return "–"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"
