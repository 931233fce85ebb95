"""Estimates for a board that nobody has measured, as rows of a report."""

from __future__ import annotations

from typing import Any, cast

from ...devices.estimates.cell_estimate import (
    DECODE_MS,
    DETECT_MS,
    estimated_cell_rows,
    field_stages_ms,
)
from ...devices.estimates.recommend import estimated_rows
from ...devices.profiles import Profile, get_profile
from ...errors import UsageError
from ..types import Machine, Stages, Times
from .result_merging import Site
from .types import Row

MODEL_ALONE = "the model alone: decoding and resizing the file are not in it"
NOT_ESTIMATED = (
    "why", "head", "engine", "digest", "parity", "file_bytes", "accuracy", "end_to_end",
    "throughput", "cold_start_ms", "steady_mib", "cpu_ms", "reached_width",
)  # fmt: skip
TIMES_NOT_ESTIMATED = (
    "load_ms", "first_ms", "p90_ms", "p95_ms", "p99_ms", "mean_ms", "sd_ms", "ci",
)  # fmt: skip


def estimated_site(name: str, cells: int | None = None) -> Site:
    """Return the estimates for a board.

    Parameters
    ----------
    name : str
        Name of a device profile.
    cells : int, optional
        Estimate the models of cells, for a field with so many cells; by default the models of
        whole fields.

    Returns
    -------
    Site
        One row for each model and precision, with the basis and the error band of the estimate.
        `settings` is None and `documents` is empty, because nothing was measured.

    Raises
    ------
    UsageError
        If there is no such profile, or the board cannot run alledge as it is sold.
    """
    profile = get_profile(name)
    if not profile.runs:
        raise UsageError(
            f"nothing is estimated of {name}: {profile.why}", fix="alledge devices list"
        )
    rows = _rows(profile) if cells is None else _cell_rows(profile, cells)
    return Site(
        title=f"{profile.title} (estimated)", machine=_machine(profile), rows=rows, settings=None
    )


def _machine(profile: Profile) -> Machine:
    return {
        "board": profile.title,
        "arch": profile.arch,
        "cpu": profile.data["cpu"].get("core"),
        "flags": list(profile.flags),
        "cores_physical": profile.cores,
        "memory_mib": profile.mib,
        "os": profile.system,
        "versions": {},
    }


def _rows(profile: Profile) -> tuple[Row, ...]:
    """Return a row for each model of whole fields."""
    return tuple(
        _row({**row, "basis": f"{row['basis']}; {MODEL_ALONE}"})
        for row in estimated_rows([profile])
    )


def _cell_rows(profile: Profile, cells: int) -> tuple[Row, ...]:
    """Return a row for each model of cells, with the times of one cell and of a field."""
    before = field_stages_ms(profile)
    decode = before * DECODE_MS / (DECODE_MS + DETECT_MS)
    rows = []
    of_one, of_field = (estimated_cell_rows([profile], number) for number in (1, cells))
    for one, field in zip(of_one, of_field, strict=True):
        cell_ms = one["ms"] - before
        stages: Stages = {
            "cells": cells,
            "decode_ms": round(decode, 4),
            "detect_ms": round(before - decode, 4),
            "judge_ms": round(cells * cell_ms, 4),
            "cell_ms": round(cell_ms, 4),
        }
        row = _row(dict(field))
        row |= {
            "task": "cell",
            "bundle": f"{field['model']}-cell-{field['precision']}",
            "latency": _times(cell_ms),
            "end_to_end": row["latency"],
            "stages": stages,
        }
        rows.append(row)
    return tuple(rows)


def _times(ms: float) -> Times:
    """Return the block of times of an estimate, of which only the median is known."""
    return cast(Times, {**dict.fromkeys(TIMES_NOT_ESTIMATED), "p50_ms": round(ms, 4), "n": 0})


def _row(estimate: dict[str, Any]) -> Row:
    """Return an estimate with the keys of a measured row."""
    row = {
        **dict.fromkeys(NOT_ESTIMATED),
        **{key: estimate[key] for key in ("kind", "model", "precision", "backend", "threads")},
        "basis": estimate["basis"],
        "band_ms": {"low": round(estimate["low_ms"], 4), "high": round(estimate["high_ms"], 4)},
        "status": "ok",
        "bundle": f"{estimate['model']}-{estimate['precision']}",
        "accuracy_note": "estimated, not measured",
        "latency": _times(estimate["ms"]),
        "peak_mib": round(estimate["memory_mib"], 1),
        "rounds": 0,
        "noise": [],
        "measured_at": "",
    }
    return cast(Row, row)
