"""Recommendation of model, precision and board: measured results first, then estimates."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import DataError, UsageError
from ...runtime.json_documents import read_json
from ...runtime.json_schema import check_document
from ..profiles import Profile, profiles, recognise
from ..types import Band, RecommendDocument, RecommendedRow, ResultRow
from .cell_estimate import estimated_cell_rows
from .estimate import estimate
from .roofline import CALIBRATION_FILE, PRECISIONS, roofline_calibration
from .validation import (
    Comparison,
    error_band,
    leave_one_board_out,
    leave_one_model_out,
    two_thread_comparisons,
)

SCHEMA, SCHEMA_VERSION = "alledge/recommend", 1
# The share of a board's memory that the operating system and other programs keep.
SYSTEM_MEMORY_SHARE = 0.5
MAX_ROWS_SHOWN = 15  # of each kind in the text
CALIBRATION_MACHINE = "calibration machine"
DEFAULT_RESULT = Path("measured") / "benchmark.json"  # where `alledge benchmark` writes it
SYSTEMS_BY_OS = {"Windows": "windows", "macOS": "macos"}  # first word of a result's `os`


def read_results(paths: list[Path], cells: int | None = None) -> list[ResultRow]:
    """Return the measured rows of benchmark documents.

    Parameters
    ----------
    paths : list of Path
    cells : int, optional
        Return the rows of models of cells, for a field with so many cells; by default those of
        models of whole fields.

    Raises
    ------
    DataError
        If a file is not such a document.
    """
    rows: list[ResultRow] = []
    fix = "alledge benchmark BUNDLE... --out DIR writes one"
    for path in paths:
        document = read_json(path, error=DataError, fix=fix)
        check_document(document, "benchmark", path, error=DataError, fix=fix)
        device = device_name(document["machine"]) or path.stem
        measured = [
            row
            for row in document["rows"]
            if row["kind"] == "measured" and row["status"] == "ok" and row["latency"]
        ]
        if cells is None:
            fields = [row for row in measured if "task" not in row]
            rows += [_measured_row(row, device, path.name) for row in fields]
        else:
            of_cells = [row for row in measured if row.get("stages")]
            rows += [_measured_cell_row(row, device, path.name, cells) for row in of_cells]
    return rows


def _measured_cell_row(row: Mapping[str, Any], device: str, basis: str, cells: int) -> ResultRow:
    """Return the row of a field with a number of cells, from the stages of the timed image."""
    stages = row["stages"]
    one_cell = row["latency"]["p50_ms"] if stages["cell_ms"] is None else stages["cell_ms"]
    return {
        **_measured_row(row, device, f"{basis}, for {cells} cells"),
        "ms": stages["decode_ms"] + stages["detect_ms"] + cells * one_cell,
        "low_ms": None,
        "high_ms": None,
    }


def _measured_row(row: Mapping[str, Any], device: str, basis: str) -> ResultRow:
    interval = row["latency"]["ci"] or {}
    return {
        "kind": "measured",
        "device": device,
        "model": row["model"],
        "precision": row["precision"],
        "backend": row["backend"],
        "threads": row["threads"],
        "ms": row["latency"]["p50_ms"],
        "low_ms": interval.get("low"),
        "high_ms": interval.get("high"),
        "memory_mib": row["peak_mib"],
        "basis": basis,
    }


def device_name(machine: Mapping[str, Any]) -> str | None:
    """Return the name of a measured machine: its profile's, or else its board's or processor's.

    Parameters
    ----------
    machine : mapping
        The machine block of a benchmark document.
    """
    system = SYSTEMS_BY_OS.get((machine.get("os") or "").partition(" ")[0], "linux")
    profile = recognise(machine, system)
    name = profile.name if profile else machine["board"] or machine["cpu"]
    return None if name is None else str(name)


def calibration_machine_rows() -> list[ResultRow]:
    """Return what was measured on the machine that the roofline is calibrated on."""
    calibration = roofline_calibration()
    return [
        {
            "kind": "measured",
            "device": f"{CALIBRATION_MACHINE} ({calibration['machine']['cpu']})",
            "model": row["model"],
            "precision": row["precision"],
            "backend": row["backend"],
            "threads": row["threads"],
            "ms": row["ms"],
            "low_ms": None,
            "high_ms": None,
            "memory_mib": row["peak_mib"],
            "basis": f"{CALIBRATION_FILE}, {calibration['created'][:10]}",
        }
        for row in calibration["rows"]
    ]


def collect_rows(
    results: list[Path], device: Profile | None = None, cells: int | None = None
) -> list[ResultRow]:
    """Return all measured rows, and estimates for what nobody measured.

    Parameters
    ----------
    results : list of Path
        Benchmark documents. `DEFAULT_RESULT` is added if it exists.
    device : Profile, optional
        Return the rows of this board only.
    cells : int, optional
        Return the rows of models of cells, for a field with so many cells; by default those of
        models of whole fields.

    Raises
    ------
    UsageError
        If the board cannot run alledge and has no measured row.
    DataError
        If a file is not a benchmark document.
    """
    paths = list(results)
    if DEFAULT_RESULT.is_file() and DEFAULT_RESULT.resolve() not in map(Path.resolve, results):
        paths.append(DEFAULT_RESULT)
    measured = read_results(paths, cells)
    measured += calibration_machine_rows() if cells is None else []
    if device is not None:
        measured = [row for row in measured if row["device"] == device.name]
        if not device.runs and not measured:
            raise UsageError(
                f"nothing is recommended for {device.name}: {device.why}",
                fix="alledge devices list names the boards that run alledge",
            )
    measured_keys = {_key(row) for row in measured}
    boards = [device] if device else list(profiles().values())
    estimated = estimated_rows(boards) if cells is None else estimated_cell_rows(boards, cells)
    return [*measured, *(row for row in estimated if _key(row) not in measured_keys)]


def _key(row: ResultRow) -> tuple[str, str, str]:
    return row["device"], row["model"], row["precision"]


def estimated_rows(boards: list[Profile]) -> list[ResultRow]:
    """Return an estimate for every model and precision on each board that runs alledge."""
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
        for model, layers in roofline_calibration()["models"].items()
        for precision in PRECISIONS
    ]


def recommend(
    rows: list[ResultRow],
    max_latency_ms: float | None,
    max_memory_mib: float | None,
    cells: int | None = None,
) -> RecommendDocument:
    """Return the rows that meet the limits, the certain ones first.

    Parameters
    ----------
    rows : list of ResultRow
    max_latency_ms : float, optional
        Latency of one prediction, without reading the image; for models of cells, that of a field
        from the file to the answer.
    max_memory_mib : float, optional
        By default the memory of a known board, less the share of its system.
    cells : int, optional
        Number of cells of the field that the rows are for, if they are of models of cells.

    Returns
    -------
    RecommendDocument
        The document of `alledge devices recommend --json` (schema ``recommend``).
    """
    recommended: list[RecommendedRow] = []
    for row in rows:
        limit = _memory_limit_mib(row["device"], max_memory_mib)
        if limit is not None and row["memory_mib"] is not None and row["memory_mib"] > limit:
            continue
        if max_latency_ms is not None and row["ms"] > max_latency_ms:
            continue
        is_certain = (
            row["kind"] == "measured"
            or max_latency_ms is None
            or (row["high_ms"] is not None and row["high_ms"] <= max_latency_ms)
        )
        recommended.append({**row, "holds": "yes" if is_certain else "perhaps"})
    document: RecommendDocument = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "max_latency_ms": max_latency_ms,
        "max_memory_mib": max_memory_mib,
        "band": _widest_band(),
        "rows": sorted(recommended, key=_sort_key),
    }
    if cells is not None:
        document["cells"] = cells
    return document


def _memory_limit_mib(device: str, max_memory_mib: float | None) -> float | None:
    profile = profiles().get(device)
    if max_memory_mib is not None or profile is None:
        return max_memory_mib
    return profile.mib * (1 - SYSTEM_MEMORY_SHARE)


def _sort_key(row: RecommendedRow) -> tuple[bool, bool, bool, float]:
    """Sort the user's measurements first, then those of the calibration machine, then estimates."""
    is_calibration = row["device"].startswith(CALIBRATION_MACHINE)
    return row["kind"] != "measured", is_calibration, row["holds"] != "yes", row["ms"]


def _widest_band() -> Band:
    """Return the band that covers the bands of all boards; each row's `basis` names its own."""
    bands = [
        error_band(profile.arch, profile.cores) for profile in profiles().values() if profile.runs
    ]
    return {"low": min(low for low, _ in bands), "high": max(high for _, high in bands)}


def recommend_text(document: RecommendDocument, max_rows: int = MAX_ROWS_SHOWN) -> str:
    """Return the document as a table.

    Parameters
    ----------
    document : RecommendDocument
    max_rows : int
        Maximum number of measured and of estimated rows.
    """
    if not document["rows"]:
        return "nothing that was measured or estimated meets these limits"
    columns = f"{'':10}{'holds':9}{'board':31}{'model':14}{'precision':10}{'engine, threads':17}"
    cells = document.get("cells")
    latency = "ms, the model alone" if cells is None else f"ms, a field of {cells} cells"
    lines = [f"{columns}{latency:26}memory"]
    for kind in ("measured", "estimated"):
        rows = [row for row in document["rows"] if row["kind"] == kind]
        lines += map(_table_line, rows[:max_rows])
        if len(rows) > max_rows:
            lines.append(f"{kind:10}… and {len(rows) - max_rows} more: --json shows all")
    low, high = document["band"]["low"], document["band"]["high"]
    lines += [
        "",
        "estimated: a roofline calibrated on one machine; such estimates were "
        f"{low:.2f} to {high:.2f} times what was measured or published",
    ]
    if cells is not None:
        lines.append("decode and detect are scaled by the clock; no board was measured yet")
    return "\n".join(lines)


def _table_line(row: RecommendedRow) -> str:
    interval = "" if row["low_ms"] is None else f" ({row['low_ms']:.1f} to {row['high_ms']:.1f})"
    memory = "?" if row["memory_mib"] is None else f"{row['memory_mib']:.0f} MiB"
    engine, latency = f"{row['backend']}, {row['threads']}", f"{row['ms']:.1f}{interval}"
    return (
        f"{row['kind']:10}{row['holds']:9}{row['device'][:30]:31}{row['model']:14}"
        f"{row['precision']:10}{engine:17}{latency:26}{memory}"
    )


def comparison_text() -> str:
    """Return a table of all comparisons of estimates with known figures, and the error bands."""
    lines = [
        "| model | precision | where | estimated ms | known ms | ratio | the known figure |",
        "|---|---|---|---|---|---|---|",
    ]
    comparisons = (*leave_one_board_out(), *leave_one_model_out(), *two_thread_comparisons())
    lines += map(_comparison_line, comparisons)
    calibrated_arch = roofline_calibration()["machine"]["arch"]
    for arch, threads in itertools.product((calibrated_arch, "aarch64"), (1, 2)):
        low, high = error_band(arch, threads)
        label = "1 thread" if threads == 1 else "more threads"
        lines.append(f"\nband of {arch}, {label}: {low:.2f} to {high:.2f}")
    return "\n".join(lines)


def _comparison_line(row: Comparison) -> str:
    return (
        f"| {row.model} | {row.precision} | {row.where} | {row.estimated_ms:.1f} "
        f"| {row.known_ms:.1f} | {row.ratio:.2f} | {row.note} |"
    )
