"""Writes generated results, to measure and to look at reports without classifying anything.

    python -m alledge.benchmarks.internal.archive.generated_results RESULTS [FIELDS]

Three sites and four microscopes over 30 months. The lamp of microscope-1 yellows slowly, and
microscope-2 gets another stain lot in its 18th month.
"""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pyarrow as pa

from ....runtime.archive.results.identity import Identity
from ....runtime.archive.results.result_set import PartWriter, ResultSet
from ....runtime.archive.results.schema import MEASURES, SCHEMA

MONTHS, FIRST_YEAR, STAIN_MONTH = 30, 2022, 18
IDENTITY = Identity("generated", "sha256:" + "0" * 64, "tflite")
ABOUT = {"labels": ["healthy", "other", "blast"], "positive": ["blast"], "task": "cell"}
BATCH = 20_000


def generated_rows(count: int, rng: np.random.Generator, first: int = 0) -> pa.Table:
    """Return rows of `SCHEMA`.

    Parameters
    ----------
    count : int
    rng : numpy.random.Generator
    first : int
        Number of the first field.
    """
    microscope, month = rng.integers(0, 4, count), rng.integers(0, MONTHS, count)
    probability = rng.beta(0.5, 3, count)
    rows = [
        _row(first + number, int(microscope[number]), int(month[number]), float(p), rng)
        for number, p in enumerate(probability)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _row(
    number: int, microscope: int, month: int, probability: float, rng: np.random.Generator
) -> dict[str, Any]:
    measures = dict(zip(MEASURES, rng.normal(0, 0.02, len(MEASURES)).tolist(), strict=True))
    measures["light"] += 5.3
    measures["depth_95"] += 0.6
    if microscope == 1:
        measures["light_green_blue"] += 0.004 * month
    if microscope == 2 and month >= STAIN_MONTH:
        measures["red_depth"] += 0.08
    name = f"{FIRST_YEAR + month // 12}-{month % 12 + 1:02d}"
    leucocytes = int(rng.poisson(12))
    blasts = int(rng.binomial(leucocytes, probability))
    is_near = abs(probability - 0.5) < 0.05
    site = ("north", "south", "south", "east")[microscope]
    path = f"/share/{site}/{name}/field-{number:08d}.jpg"
    base = {
        "key": number.to_bytes(16, "big"), "path": path, "size": 2_000_000, "site": site,
        "microscope": f"microscope-{microscope}", "month": name, **IDENTITY.columns(),
        "classified": datetime.now(timezone.utc),
    }  # fmt: skip
    if number % 500 == 0:
        return {**base, "status": "error", "error": f"{path} is empty (0 bytes)", "flags": []}
    return {
        **base,
        "status": "review" if is_near else "ok",
        "label": "blast" if probability >= 0.5 else "healthy",
        "probability": probability,
        "scores": [("healthy", 1 - probability), ("blast", probability)],
        "threshold": 0.5,
        "flags": ["indeterminate"] if is_near else [],
        "kind": "field",
        "counts": {"leucocytes": leucocytes, "blasts": blasts, "more": 0},
        "cells": [
            {"x": 9, "y": 9, "radius": 9, "label": "healthy", "probability": 0.1, "flags": []}
        ]
        * leucocytes,
        "ms": 20.0,
        "width": 2592,
        "height": 1944,
        "measures": measures,
        "engine": "generated",
    }


def write_results(out: str, fields: int) -> None:
    """Write generated results to a folder or URL."""
    results = ResultSet(out)
    results.claim()
    writer = PartWriter(results.create(IDENTITY, ABOUT), 4096)
    rng = np.random.default_rng(0)
    for first in range(0, fields, BATCH):
        table = generated_rows(min(BATCH, fields - first), rng, first)
        for start in range(0, len(table), 4096):
            writer.add(table.slice(start, 4096))
    writer.flush()


if __name__ == "__main__":
    write_results(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20_000)
