"""Estimates for a board that nobody has measured, as rows of a report."""

from __future__ import annotations

from typing import Any, cast

from ...devices.estimates.recommend import estimated_rows
from ...devices.profiles import Profile, get_profile
from ...errors import UsageError
from ..types import Machine
from .result_merging import Site
from .types import Row

MODEL_ALONE = "the model alone: decoding and resizing the file are not in it"
NOT_ESTIMATED = [
    "why",
    "head",
    "engine",
    "digest",
    "parity",
    "file_bytes",
    "accuracy",
    "end_to_end",
    "throughput",
    "cold_start_ms",
    "steady_mib",
    "cpu_ms",
    "reached_width",
]
TIMES_NOT_ESTIMATED = [
    "load_ms",
    "first_ms",
    "p90_ms",
    "p95_ms",
    "p99_ms",
    "mean_ms",
    "sd_ms",
    "ci",
]


def estimated_site(name: str) -> Site:
    """Return the estimates for a board.

    Parameters
    ----------
    name : str
        Name of a device profile.

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
    rows = tuple(_row(dict(row)) for row in estimated_rows([profile]))
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


def _row(estimate: dict[str, Any]) -> Row:
    """Return an estimate with the keys of a measured row."""
    row = {
        **dict.fromkeys(NOT_ESTIMATED),
        **{key: estimate[key] for key in ("kind", "model", "precision", "backend", "threads")},
        "basis": f"{estimate['basis']}; {MODEL_ALONE}",
        "band_ms": {"low": round(estimate["low_ms"], 4), "high": round(estimate["high_ms"], 4)},
        "status": "ok",
        "bundle": f"{estimate['model']}-{estimate['precision']}",
        "accuracy_note": "estimated, not measured",
        "latency": {
            **dict.fromkeys(TIMES_NOT_ESTIMATED),
            "p50_ms": round(estimate["ms"], 4),
            "n": 0,
        },
        "peak_mib": round(estimate["memory_mib"], 1),
        "rounds": 0,
        "noise": [],
        "measured_at": "",
    }
    return cast(Row, row)
