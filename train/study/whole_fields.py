"""Reads the figures of a study of whole fields, to show them beside those of cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import DataError, UsageError
from ...runtime.json_documents import read_json
from ...runtime.metrics.intervals import wilson
from ...runtime.metrics.metrics import Json

SPECIFICITY = 0.95
FIGURES = ("accuracy", "auc", "sensitivity", "specificity")
FIX = "--beside with the study.json of: alledge study --data DATA"


def whole_field_figures(path: Path, data: Json) -> Json:
    """Return the figures of a study of whole fields, by section, model and kind.

    Parameters
    ----------
    path : Path
        Its ``study.json``.
    data : dict
        `data` of the settings of this study.

    Returns
    -------
    dict
        `file`, and `sections`, by name: `camera_alone` and `rows` with `model`, `kind`, `weights`,
        `accuracy`, `auc`, `sensitivity`, `specificity` and `sensitivity_at_95`.

    Raises
    ------
    DataError
        If the file cannot be read or is no such document.
    UsageError
        If it is a study of cells or of other data.
    """
    document = read_json(path, error=DataError, fix=FIX)
    try:
        if document["schema"] != "alledge/study":
            raise DataError(f"{path} is a document {document['schema']!r}, not a study", fix=FIX)
        if document["settings"].get("task"):
            raise UsageError(f"{path} is a study of cells", fix=FIX)
        if document["settings"]["data"]["fingerprint"] != data["fingerprint"]:
            raise UsageError(f"{path} is a study of other data than {data['name']}", fix=FIX)
        sections = {section["name"]: _section(section) for section in document["sections"]}
    except (KeyError, TypeError, AttributeError):
        raise DataError(f"{path} is not the document of a study", fix=FIX) from None
    return {"file": path.name, "sections": sections}


def sensitivity_on_curve(roc: list[list[float]]) -> float:
    """Return the greatest sensitivity of a ROC curve at a specificity of at least 0.95.

    Parameters
    ----------
    roc : list of (float, float)
        False alarms and sensitivity.

    Examples
    --------
    >>> sensitivity_on_curve([[0.0, 0.0], [0.04, 0.8], [0.2, 1.0]])
    0.8
    """
    return max(hit for alarm, hit in roc if alarm <= 1 - SPECIFICITY + 1e-9)


def _share(sensitivity: float, summary: Json) -> Json:
    """Return a sensitivity with its interval."""
    count = summary["sensitivity"]["n"]
    low, high = wilson(round(sensitivity * count), count)
    return {"value": sensitivity, "low": low, "high": high, "n": count}


def _section(section: dict[str, Any]) -> Json:
    rows = [
        {
            "model": row["model"],
            "kind": row["kind"],
            "weights": row["weights"],
            "sensitivity_at_95": _share(sensitivity_on_curve(row["roc"]), row["summary"]),
            **{name: row["summary"][name] for name in FIGURES},
        }
        for row in section["rows"]
    ]
    alone = section["camera_alone"]["summary"]
    return {"camera_alone": {name: alone[name] for name in FIGURES}, "rows": rows}
