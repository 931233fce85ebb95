"""The result document of one machine: built from the log of rounds, and read from a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, cast

from .. import __version__
from ..errors import BundleError, DataError
from ..runtime.bundle.bundle import Bundle
from ..runtime.json_documents import read_json
from ..runtime.json_schema import check_document, find_violation, load_schema
from ..runtime.provenance import source_commit
from .measuring.configurations import Configuration
from .measuring.machine_noise import describe_noise, is_noisy, session_reference
from .measuring.rounds_log import RoundsLog
from .measuring.runner import utc_now
from .statistics import summarize_times, widest_interval
from .types import (
    AccuracyRecord,
    Conditions,
    Result,
    ResultRow,
    RowFigures,
    Stages,
    TimedRound,
    Training,
)

SCHEMA, SCHEMA_VERSION = "alledge/benchmark", 1
RESULT_NAME = "benchmark.json"
PARITY_NAME, VERDICTS = "parity.json", ("pass", "fail", "not informative")
NO_DATA, NOT_TIMED = "no --data was given", "the configuration failed"
METRICS = ("accuracy", "sensitivity", "specificity", "auc")
# OpenVINO computes in bfloat16 by default on some CPUs. The backend sets float32.
COMPUTES_IN = {"openvino": "float32 where not quantized (INFERENCE_PRECISION_HINT=f32)"}
NO_FIGURES: RowFigures = {
    "engine": None,
    "latency": None,
    "end_to_end": None,
    "throughput": None,
    "cold_start_ms": None,
    "peak_mib": None,
    "steady_mib": None,
    "cpu_ms": None,
    "rounds": 0,
    "reached_width": None,
}


def build_result(
    log: RoundsLog, configurations: Sequence[Configuration], conditions: Conditions, complete: bool
) -> Result:
    """Return the result document of the rounds in a log.

    Parameters
    ----------
    log : RoundsLog
    configurations : sequence of Configuration
        The document has one row for each, in this order. A configuration that was not started has
        no row.
    conditions : Conditions
    complete : bool
        Whether every requested round was measured.
    """
    noise = [record["noise"] for records in log.rounds.values() for record in records]
    reference = session_reference(noise) if noise else (1.0, None)
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "created": utc_now(),
        "alledge": __version__,
        "commit": source_commit(),
        "complete": complete,
        **conditions,
        "rows": [
            build_row(configuration, log, conditions, reference)
            for configuration in configurations
            if configuration.key in log.rounds or _accuracy_failed(configuration, log)
        ],
    }


def build_row(
    configuration: Configuration,
    log: RoundsLog,
    conditions: Conditions,
    reference: tuple[float, float | None],
) -> ResultRow:
    """Return the row of a configuration.

    Parameters
    ----------
    configuration : Configuration
    log : RoundsLog
    conditions : Conditions
    reference : (float, float or None)
        As `session_reference` returns it.
    """
    settings = conditions["settings"]
    records = log.rounds.get(configuration.key, [])
    accuracy_record = log.accuracy.get(configuration.artifact_key)
    failed = [record for record in (*records, accuracy_record) if record and not _is_ok(record)]
    quiet = [record for record in records if not is_noisy(record["noise"])]
    # Disturbed rounds are excluded only if enough undisturbed ones are left for an interval.
    used = quiet if len(quiet) >= settings["min_rounds"] else records
    figures = [] if failed else [record["found"] for record in used if record["found"]]
    accuracy, accuracy_note = (None, NOT_TIMED) if failed else _accuracy(accuracy_record)
    bundle = configuration.bundle
    row: ResultRow = {
        "kind": "measured",
        "status": "failed" if failed else "ok",
        "why": failed[0]["why"] if failed else None,
        "model": str(bundle.record.get("model", bundle.name)),
        "head": bundle.record.get("head"),
        "precision": str(bundle.record.get("precision", "unknown")),
        "computes_in": COMPUTES_IN.get(configuration.backend),
        "backend": configuration.backend,
        "threads": configuration.threads,
        "bundle": bundle.name,
        "digest": bundle.digest,
        "parity": _parity(configuration),
        "file_bytes": _file_bytes(configuration),
        "training": _training(bundle.record),
        "accuracy": accuracy,
        "accuracy_note": accuracy_note,
        "noise": describe_noise([record["noise"] for record in used], *reference),
        "set_aside": len(records) - len(used),
        "measured_at": records[-1]["at"] if records else failed[0]["at"],
        **_row_figures(figures, settings["width"]),  # type: ignore[typeddict-item]
    }
    if "cells" in bundle.record:
        row["task"], row["stages"] = "cell", median_stages(figures)
    return row


def result_path(path: str | Path) -> Path:
    """Return the file of a result: `path`, or that in the folder of a measurement."""
    file = Path(path)
    return file / RESULT_NAME if file.is_dir() else file


def read_result(path: str | Path) -> Result:
    """Read a result document.

    Parameters
    ----------
    path : str or Path
        The file, or the folder of a measurement.

    Raises
    ------
    DataError
        If the file is not a result, breaks the schema, or has another schema version. The message
        names the key.
    """
    file = result_path(path)
    fix = "alledge benchmark BUNDLE --out FOLDER"
    content = read_json(file, error=DataError, fix=fix)
    check_document(content, "benchmark", file, error=DataError, fix=fix)
    for path, interval in _intervals(content):
        if not interval["low"] <= interval.get("value", interval["low"]) <= interval["high"]:
            raise DataError(
                f"{file} is not a result: {path} is not between its low and its high", fix=fix
            )
    return cast(Result, content)


def _intervals(document: Any) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the path of each interval of a result, and the interval."""
    for number, row in enumerate(document["rows"]):
        blocks: list[tuple[str, Any, tuple[str, ...]]] = [
            (name, row[name], ("ci",)) for name in ("latency", "end_to_end")
        ]
        blocks += [("accuracy", row["accuracy"], METRICS)]
        out_of_fold = (row.get("training") or {}).get("out_of_fold")
        blocks += [("training.out_of_fold", out_of_fold, METRICS), ("", row, ("band_ms",))]
        for name, block, keys in blocks:
            for key in keys:
                if interval := (block or {}).get(key):
                    yield ".".join(filter(None, (f"rows[{number}]", name, key))), interval


def _row_figures(rounds: Sequence[TimedRound], width: float) -> RowFigures:
    if not rounds:
        return NO_FIGURES
    load = [figures["load_ms"] for figures in rounds]
    whole = [figures["end_to_end"] for figures in rounds]
    rates = [figures["throughput"] for figures in rounds]
    return {
        "engine": rounds[-1]["engine"],
        "latency": summarize_times(
            [figures["samples_ms"] for figures in rounds],
            load,
            [figures["first_ms"] for figures in rounds],
        ),
        "end_to_end": summarize_times(
            [samples["samples_ms"] for samples in whole],
            load,
            [samples["first_ms"] for samples in whole],
        ),
        "throughput": {
            "images_per_s": round(median(rate["images_per_s"] for rate in rates), 2),
            "inferences_per_s": round(median(rate["inferences_per_s"] for rate in rates), 2),
            "workers": rates[-1]["workers"],
        },
        "cold_start_ms": round(median(figures["cold_start_ms"] for figures in rounds), 1),
        "peak_mib": _median([figures["peak_mib"] for figures in rounds]),
        "steady_mib": _median([figures["steady_mib"] for figures in rounds]),
        "cpu_ms": round(median(figures["cpu_ms"] for figures in rounds), 3),
        "rounds": len(rounds),
        "reached_width": widest_interval(rounds) <= width,
    }


def median_stages(rounds: Sequence[TimedRound]) -> Stages | None:
    """Return the medians of the stages over all repetitions of all rounds.

    Returns
    -------
    dict or None
        None without a round.
    """
    samples = [figures["stages"] for figures in rounds if "stages" in figures]
    if not samples:
        return None
    cells = samples[-1]["cells"]
    decode, detect, judge = (
        round(median(ms for row in samples for ms in row[stage]), 3)  # type: ignore[literal-required]
        for stage in ("decode_ms", "detect_ms", "judge_ms")
    )
    return {
        "cells": cells,
        "decode_ms": decode,
        "detect_ms": detect,
        "judge_ms": judge,
        "cell_ms": round(judge / cells, 3) if cells else None,
    }


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(median(known), 1) if known else None


def _is_ok(record: Any) -> bool:
    return bool(record["status"] == "ok")


def _accuracy_failed(configuration: Configuration, log: RoundsLog) -> bool:
    record = log.accuracy.get(configuration.artifact_key)
    return record is not None and not _is_ok(record)


def check_training(bundle: Bundle) -> None:
    """Check what a bundle records of its training, since its rows in a result repeat it.

    Parameters
    ----------
    bundle : Bundle

    Raises
    ------
    BundleError
        If `read_result` would refuse it.
    """
    schema = load_schema("benchmark")
    part = {**schema["$defs"]["row"]["properties"]["training"], "$defs": schema["$defs"]}
    if violation := find_violation(_training(bundle.record), part):
        raise BundleError(
            f"{bundle.path}: the record of the training is damaged: {violation}",
            fix="export the bundle again",
        )


def _parity(configuration: Configuration) -> str | None:
    """Return the verdict of the export about the artifact. None if the bundle has none."""
    file = configuration.bundle.path / PARITY_NAME
    try:
        document = read_json(file, error=DataError)
        verdict = document["formats"][configuration.backend]["verdict"]
    except (DataError, KeyError, TypeError):
        return None
    return verdict if isinstance(verdict, str) and verdict in VERDICTS else None


def _file_bytes(configuration: Configuration) -> int | None:
    bundle = configuration.bundle
    try:
        names = bundle.formats[configuration.backend].files
        return sum((bundle.path / name).stat().st_size for name in names)
    except OSError:
        return None


def _training(bundle_record: dict[str, Any]) -> Training:
    """Return what the bundle records about its training and its out-of-fold metrics."""
    training, metrics = bundle_record.get("training") or {}, bundle_record.get("metrics") or {}
    data = training.get("data") or {}
    metrics = metrics.get("fields") or metrics  # of a cell model: comparable with models of fields
    return {
        "weights": training.get("weights"),
        "data": data.get("name"),
        "generated": data.get("generated"),
        "out_of_fold": (
            {name: metrics.get(name) for name in METRICS} if metrics.get("sensitivity") else None
        ),
    }


def _accuracy(record: AccuracyRecord | None) -> tuple[dict[str, Any] | None, str | None]:
    """Return the accuracy block of a row, or None and the reason.

    That of a cell model is of fields, if there are any, and ``cells`` has that of cells.
    """
    if record is None:
        return None, NO_DATA
    evaluation = record["found"]
    if evaluation is None:
        return None, record["why"]
    metrics, is_cell = evaluation["operating"], evaluation.get("task") == "cell"
    if is_cell and evaluation["fields"] is not None:
        metrics = evaluation["fields"]
    block = {
        "images": metrics["images"],
        "positives": metrics["positives"],
        "seen_left_out": evaluation["seen_left_out"],
        "seen_included": evaluation["seen_included"],
        "include_seen": evaluation["include_seen"],
        "failed": len(evaluation["failed"]),
        "threshold": metrics["threshold"],
        **{name: metrics[name] for name in METRICS},
    }
    if is_cell:
        block["unit"] = "cell" if metrics is evaluation["operating"] else "field"
        block["cells"] = _cell_accuracy(evaluation["operating"])
    return block, None


def _cell_accuracy(metrics: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the accuracy of cells; None if the data set names no cell."""
    keys = ("images", "positives", "threshold", *METRICS)
    return metrics and {key: metrics[key] for key in keys}
