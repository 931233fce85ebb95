"""The rows of the tables of fields on the page of a study of cells."""

from __future__ import annotations

from typing import Any

from ...runtime.metrics.metrics import Json
from ..networks.architectures import architecture
from .report_sentences import KINDS, NOTHING, figure_range

# key and heading of the figures of fields
FIELD_COLUMNS = (("auc", "AUC"), ("sensitivity_at_95", "sens."))
CONTROLS = (
    ("camera_alone", "camera alone", "no look at a cell"),
    ("count_alone", "number of cells alone", "every cell has the same score"),
)


def field_rows(document: Json) -> list[Json]:
    """Return the rows of the table of fields.

    Parameters
    ----------
    document : dict
        ``study.json`` of a study of cells.

    Returns
    -------
    list of dict
        `title`, `words` and `in`: for each section the figures of the fields that are judged by
        `cells`, and those of the study of `whole` fields. None where there are none.
    """
    sections = document["sections"]
    rows = [
        {
            "title": title,
            "words": words,
            "in": [
                {"cells": section["fields"][key], "whole": _whole(document, section, key)}
                for section in sections
            ],
        }
        for key, title, words in CONTROLS
    ]
    for model in document["settings"]["models"]:
        for kind in KINDS:
            own = [_row(section, model, kind) for section in sections]
            known = next((row for row in own if row), None)
            if known is None:
                continue
            random = ", random weights" if known["weights"] == "random" else ""
            rows.append(
                {
                    "title": architecture(model).title,
                    "words": f"{KINDS[kind]}{random}",
                    "in": [
                        {
                            "cells": row["fields"] if row else None,
                            "whole": _whole(document, section, model, kind),
                        }
                        for row, section in zip(own, sections, strict=True)
                    ],
                }
            )
    return rows


def field_words(section: Json) -> str:
    """Return what the figures of the fields of a section are worth, in sentences."""
    areas = [row["fields"]["auc"] for row in section["rows"] if row.get("fields")]
    count, camera = (section["fields"][name] for name in ("count_alone", "camera_alone"))
    return (
        f"Judged by their cells, fields have an AUC of {figure_range(areas)}. The number of cells "
        f"alone, without a look at any, gives {_area(count)}, the camera alone {_area(camera)}. "
        f"The cells themselves have an AUC of "
        f"{figure_range([row['summary']['auc'] for row in section['rows']])}."
    )


def _area(figures: Json | None) -> str:
    return NOTHING if figures is None else figure_range([figures["auc"]])


def _row(section: Json, model: str, kind: str) -> Json | None:
    rows = (row for row in section["rows"] if (row["model"], row["kind"]) == (model, kind))
    return next(rows, None)


def _whole(document: Json, section: Json, model: str, kind: str = "") -> Any:
    """Return the figures of a model, or of a control, in the study of whole fields."""
    other = document.get("beside", {}).get("sections", {}).get(section["name"])
    if other is None:
        return None
    if not kind:
        return other.get(model)
    return _row(other, model, kind)
