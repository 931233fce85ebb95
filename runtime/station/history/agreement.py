"""How often people agree with the machine, with Wilson intervals."""

from __future__ import annotations

from typing import TypedDict

from ...metrics.intervals import wilson
from .queries import verdict_rows
from .store import History


class Agreement(TypedDict):
    """The share of verdicts in which a person and the machine agree."""

    agreed: int
    judged: int
    share: float | None  # in [0, 1]; null without a verdict
    interval: list[float] | None  # 95 % Wilson


class AgreementDocument(TypedDict):
    """The answer of ``/v1/agreement``."""

    images: Agreement
    cells: Agreement
    corrections: int  # verdicts on cells that differ from the machine's


def agreement(history: History) -> AgreementDocument:
    """Return the agreement on images and on cells, of every result with a verdict.

    Notes
    -----
    People look first at what seems wrong. So the share says how often the judged images and
    cells were right, and not how often the machine is right.
    """
    images, cells = [0, 0], [0, 0]
    with history.snapshot() as connection:
        import json

        for verdict in verdict_rows(connection):
            if verdict.label is None:
                continue
            row = connection.execute(
                "SELECT body FROM entries WHERE number = ?", (verdict.refers_to,)
            ).fetchone()
            if row is None or row[0] is None:
                continue
            record = json.loads(row[0])["record"]
            machine = record if verdict.cell is None else record["cells"][verdict.cell]
            tally = images if verdict.cell is None else cells
            tally[0] += machine["label"] == verdict.label
            tally[1] += 1
    return {
        "images": _share(*images),
        "cells": _share(*cells),
        "corrections": cells[1] - cells[0],
    }


def _share(agreed: int, judged: int) -> Agreement:
    if not judged:
        return {"agreed": 0, "judged": 0, "share": None, "interval": None}
    low, high = wilson(agreed, judged)
    return {
        "agreed": agreed,
        "judged": judged,
        "share": agreed / judged,
        "interval": [round(low, 4), round(high, 4)],
    }
