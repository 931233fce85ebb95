"""Which model on which board answers in time: measured results first, estimates second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import DataError
from .estimates import PRECISIONS, band, calibration, estimate, left_out_ratios, public_ratios
from .profiles import Profile, profiles

SCHEMA, SCHEMA_VERSION = "alledge/recommend", 1
LEFT_FOR_SYSTEM = 0.5  # of a board's memory

Json = dict[str, Any]


def read_results(paths: list[Path]) -> list[Json]:
    """Return the measured rows of benchmark documents.

    Parameters
    ----------
    paths : list of Path

    Raises
    ------
    DataError
        If a file is no such document.
    """
    rows = []
    for path in paths:
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document["schema"] != "alledge/benchmark":
                raise ValueError(f"it is {document['schema']!r}")
            machine = document["machine"]
            device = machine["board"] or machine["cpu"] or path.stem
            rows += [
                {
                    "kind": "measured",
                    "device": device,
                    "model": row["model"],
                    "precision": row["precision"],
                    "backend": row["backend"],
                    "threads": row["threads"],
                    "ms": row["latency"]["p50_ms"],
                    "low_ms": (row["latency"]["ci"] or {}).get("low"),
                    "high_ms": (row["latency"]["ci"] or {}).get("high"),
                    "memory_mib": row["peak_mib"],
                    "basis": path.name,
                }
                for row in document["rows"]
                if row["kind"] == "measured" and row["status"] == "ok" and row["latency"]
            ]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path} is not a benchmark's result: {error}",
                fix="alledge benchmark BUNDLE... --out DIR writes one",
            ) from None
    return rows


def estimated_rows(boards: list[Profile]) -> list[Json]:
    """Return an estimate of every model and precision on boards that run alledge."""
    return [
        {
            "device": profile.name,
            "model": model,
            "precision": precision,
            "backend": profile.data["pack"]["backend"],
            "threads": profile.cores,
            **estimate(layers, precision, profile),
        }
        for profile in boards
        if profile.runs
        for model, layers in calibration()["models"].items()
        for precision in PRECISIONS
    ]


def recommend(rows: list[Json], max_latency_ms: float | None, max_memory_mib: float | None) -> Json:
    """Return the rows that hold the limits, those that surely do before those that may.

    Parameters
    ----------
    rows : list of dict
        Measured and estimated ones.
    max_latency_ms : float, optional
        Of one prediction, the model alone.
    max_memory_mib : float, optional

    Returns
    -------
    dict
        The document of ``alledge devices recommend --json`` (schema ``recommend``).
    """
    kept = []
    for row in rows:
        profile = profiles().get(row["device"])
        memory = row["memory_mib"]
        limit = max_memory_mib
        if limit is None and profile is not None:
            limit = profile.mib * LEFT_FOR_SYSTEM
        if limit is not None and memory is not None and memory > limit:
            continue
        if max_latency_ms is not None and row["ms"] > max_latency_ms:
            continue
        surely = row["kind"] == "measured" or (
            max_latency_ms is None or row["high_ms"] <= max_latency_ms
        )
        kept.append({**row, "holds": "yes" if surely else "perhaps"})
    kept.sort(key=lambda row: (row["kind"] != "measured", row["holds"] != "yes", row["ms"]))
    low, high = band()
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "max_latency_ms": max_latency_ms,
        "max_memory_mib": max_memory_mib,
        "band": {"low": low, "high": high},
        "rows": kept,
    }


def recommend_text(document: Json, most: int = 30) -> str:
    """Return the document as a table for a person.

    Parameters
    ----------
    document : dict
    most : int
        Rows shown.
    """
    if not document["rows"]:
        return "nothing that was measured or estimated holds these limits"
    head = f"{'':10}{'holds':9}{'board':26}{'model':14}{'precision':10}"
    lines = [f"{head}{'ms, the model alone':28}memory"]
    for row in document["rows"][:most]:
        span = ""
        if row["low_ms"] is not None:
            span = f" ({row['low_ms']:.1f} to {row['high_ms']:.1f})"
        memory = "?" if row["memory_mib"] is None else f"{row['memory_mib']:.0f} MiB"
        times = f"{row['ms']:.1f}{span}"
        lines.append(
            f"{row['kind']:10}{row['holds']:9}{row['device'][:25]:26}{row['model']:14}"
            f"{row['precision']:10}{times:28}{memory}"
        )
    if len(document["rows"]) > most:
        lines.append(f"… and {len(document['rows']) - most} more: --json shows all")
    band_, width = document["band"], "estimated: a roofline calibrated on one machine; such"
    lines += ["", f"{width} estimates were {band_['low']:.2f} to {band_['high']:.2f} times"]
    return "\n".join([*lines[:-1], lines[-1] + " what was measured or published"])


def comparison_text() -> str:
    """Return the table of every estimate that can be held against a figure."""
    lines = [f"| {'model':12} | precision | where | estimated ms | known ms | ratio |"]
    lines.append("|---|---|---|---|---|---|")
    for model, precision, where, ours, known, ratio in (*public_ratios(), *left_out_ratios()):
        lines.append(
            f"| {model} | {precision} | {where} | {ours:.1f} | {known:.1f} | {ratio:.2f} |"
        )
    return "\n".join(lines)
