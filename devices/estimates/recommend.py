"""Which model on which board answers in time: measured results first, estimates second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...errors import DataError, UsageError
from ..profiles import Profile, profiles, recognise
from .estimate import estimate
from .evidence import Comparison, band, here, here_on_two_threads, on_boards
from .roofline import PRECISIONS, calibration

SCHEMA, SCHEMA_VERSION = "alledge/recommend", 1
LEFT_FOR_SYSTEM = 0.5  # of a board's memory
SHOWN = 15  # rows of each kind on the page
CALIBRATED_ON = "calibration machine"
DEFAULT_RESULT = Path("measured") / "benchmark.json"  # where `alledge benchmark` leaves it
SYSTEM_WORDS = {"Windows": "windows", "macOS": "macos"}  # how a result's `os` begins; else Linux

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
            device = device_of(document["machine"]) or path.stem
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


def device_of(machine: Json) -> str | None:
    """Return what a measured machine is called: its profile's name, where it is a known board.

    Parameters
    ----------
    machine : dict
        Of a benchmark's result.
    """
    system = SYSTEM_WORDS.get((machine.get("os") or "").partition(" ")[0], "linux")
    profile = recognise(machine, system)
    name = profile.name if profile else machine["board"] or machine["cpu"]
    return None if name is None else str(name)


def calibration_rows() -> list[Json]:
    """Return what was measured of the machine that the estimates are calibrated on."""
    known = calibration()
    return [
        {
            "kind": "measured",
            "device": f"{CALIBRATED_ON} ({known['machine']['cpu']})",
            **{key: row[key] for key in ("model", "precision", "backend", "threads", "ms")},
            "low_ms": None,
            "high_ms": None,
            "memory_mib": row["peak_mib"],
            "basis": f"calibration.json, {known['created'][:10]}",
        }
        for row in known["rows"]
    ]


def rows_of(results: list[Path], device: Profile | None = None) -> list[Json]:
    """Return every row there is: measured ones, and estimates of what nobody measured.

    Parameters
    ----------
    results : list of Path
        Of `alledge benchmark`; the one in its usual place joins them.
    device : Profile, optional
        Of this board alone.

    Raises
    ------
    UsageError
        If the one board cannot run alledge, and nobody measured it all the same.
    DataError
        If a file is no benchmark's result.
    """
    found = [DEFAULT_RESULT] if DEFAULT_RESULT.is_file() else []
    named = {path.resolve() for path in results}
    paths = [*results, *(path for path in found if path.resolve() not in named)]
    measured = [*read_results(paths), *calibration_rows()]
    if device is not None:
        measured = [row for row in measured if row["device"] == device.name]
        if not device.runs and not measured:
            raise UsageError(
                f"nothing is recommended for {device.name}: {device.why}",
                fix="alledge devices list names the boards that run alledge",
            )
    keys = ("device", "model", "precision")
    known = {tuple(row[key] for key in keys) for row in measured}
    estimated = estimated_rows([device] if device else list(profiles().values()))
    unknown = [row for row in estimated if tuple(row[key] for key in keys) not in known]
    return [*measured, *unknown]


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
    kept.sort(key=_order)
    low, high = _widest()
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "max_latency_ms": max_latency_ms,
        "max_memory_mib": max_memory_mib,
        "band": {"low": low, "high": high},
        "rows": kept,
    }


def _order(row: Json) -> tuple[bool, bool, bool, float]:
    """Put what the user measured first, then what was measured here, then estimates."""
    ours = row["device"].startswith(CALIBRATED_ON)
    return row["kind"] != "measured", ours, row["holds"] != "yes", row["ms"]


def _widest() -> tuple[float, float]:
    """Return the band that holds every board's: each row's `basis` names its own."""
    bands = [band(profile.arch, profile.cores) for profile in profiles().values() if profile.runs]
    return min(low for low, _ in bands), max(high for _, high in bands)


def recommend_text(document: Json, most: int = SHOWN) -> str:
    """Return the document as a table for a person.

    Parameters
    ----------
    document : dict
    most : int
        Rows of each kind shown.
    """
    if not document["rows"]:
        return "nothing that was measured or estimated holds these limits"
    head = f"{'':10}{'holds':9}{'board':31}{'model':14}{'precision':10}{'engine, threads':17}"
    lines = [f"{head}{'ms, the model alone':26}memory"]
    for kind in ("measured", "estimated"):
        rows = [row for row in document["rows"] if row["kind"] == kind]
        lines += map(_line, rows[:most])
        if len(rows) > most:
            lines.append(f"{kind:10}… and {len(rows) - most} more: --json shows all")
    low, high = document["band"]["low"], document["band"]["high"]
    return "\n".join(
        [
            *(*lines, ""),
            "estimated: a roofline calibrated on one machine; such estimates were "
            f"{low:.2f} to {high:.2f} times what was measured or published",
        ]
    )


def _line(row: Json) -> str:
    span = "" if row["low_ms"] is None else f" ({row['low_ms']:.1f} to {row['high_ms']:.1f})"
    memory = "?" if row["memory_mib"] is None else f"{row['memory_mib']:.0f} MiB"
    engine, times = f"{row['backend']}, {row['threads']}", f"{row['ms']:.1f}{span}"
    return (
        f"{row['kind']:10}{row['holds']:9}{row['device'][:30]:31}{row['model']:14}"
        f"{row['precision']:10}{engine:17}{times:26}{memory}"
    )


def comparison_text() -> str:
    """Return the table of every estimate that can be held against a figure, and the bands."""
    lines = ["| model | precision | where | estimated ms | known ms | ratio | the known figure |"]
    lines.append("|---|---|---|---|---|---|---|")
    lines += map(_compared, (*on_boards(), *here(), *here_on_two_threads()))
    arch = calibration()["machine"]["arch"]
    for kind, threads in ((arch, 1), (arch, 2), ("aarch64", 1), ("aarch64", 2)):
        low, high = band(kind, threads)
        many = "1 thread" if threads == 1 else "more threads"
        lines.append(f"\nband of {kind}, {many}: {low:.2f} to {high:.2f}")
    return "\n".join(lines)


def _compared(row: Comparison) -> str:
    return (
        f"| {row.model} | {row.precision} | {row.where} | {row.ours_ms:.1f} | {row.known_ms:.1f} | "
        f"{row.ratio:.2f} | {row.note} |"
    )
