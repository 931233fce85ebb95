"""Complete benchmark documents from a few values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MEASURED = Path(__file__).resolve().parents[2] / "docs" / "six-models.json"


def complete_result(machine: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a document of the documentation with another machine and other rows.

    Values that are not given are those of the documentation. A row's `latency` may be partial.
    """
    document: dict[str, Any] = json.loads(MEASURED.read_text(encoding="utf-8"))
    model = document["rows"][0]
    document["machine"] |= machine
    document["rows"] = [
        {**model, **row, "latency": row["latency"] and {**model["latency"], **row["latency"]}}
        for row in rows
    ]
    return document
