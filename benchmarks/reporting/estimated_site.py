"""Estimates of a board that nobody has measured, as rows of a report; always told apart."""

from __future__ import annotations

from typing import Any

from ...devices.estimates.recommend import estimated_rows
from ...devices.profiles import Profile, get_profile
from ...errors import UsageError
from .result_merging import Site

Json = dict[str, Any]

MODEL_ALONE = "the model alone: decoding and resizing the file are not in it"


def estimated_site(name: str) -> Site:
    """Return what is estimated of a board.

    Parameters
    ----------
    name : str
        Of a device profile.

    Returns
    -------
    Site
        A row for every model and precision that estimates know, each with its basis and the band
        of their error; no settings and no documents, since nothing was measured.

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


def _machine(profile: Profile) -> Json:
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


def _row(found: Json) -> Json:
    """Return an estimate as a row of a result, by the schema's names."""
    unknown = ("load_ms", "first_ms", "p90_ms", "p95_ms", "p99_ms", "mean_ms", "sd_ms", "ci")
    nothing = ("why", "head", "engine", "digest", "parity", "file_bytes", "accuracy")
    unmeasured = ("end_to_end", "throughput", "cold_start_ms", "steady_mib", "cpu_ms")
    return {
        **dict.fromkeys((*nothing, *unmeasured, "reached_width")),
        **{key: found[key] for key in ("kind", "model", "precision", "backend", "threads")},
        "basis": f"{found['basis']}; {MODEL_ALONE}",
        "band_ms": {"low": round(found["low_ms"], 4), "high": round(found["high_ms"], 4)},
        "status": "ok",
        "bundle": f"{found['model']}-{found['precision']}",
        "accuracy_note": "estimated, not measured",
        "latency": {**dict.fromkeys(unknown), "p50_ms": round(found["ms"], 4), "n": 0},
        "peak_mib": round(found["memory_mib"], 1),
        "rounds": 0,
        "noise": [],
        "measured_at": "",
    }
