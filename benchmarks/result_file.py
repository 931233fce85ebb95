"""The result of one machine: the ledger's rounds made into a document, and documents read back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, TypeGuard, cast

from .. import __version__
from ..errors import DataError
from ..runtime.provenance import source_commit
from .measuring.configurations import Configuration
from .measuring.machine_noise import in_words, is_noisy, usual
from .measuring.rounds_log import Ledger
from .measuring.runner import FAILED, OK, now
from .statistics import times, widest
from .types import Result

Json = dict[str, Any]

SCHEMA, SCHEMA_VERSION = "alledge/benchmark", 1
RECORD = "benchmark.json"
PARITY, VERDICTS = "parity.json", ("pass", "fail", "not informative")
NOT_ASKED, NOT_TIMED = "no --data was given", "the configuration failed"
NEEDED = ("created", "machine", "settings", "data", "rows")
FIGURES = ("accuracy", "sensitivity", "specificity", "auc")
# Only OpenVINO would compute in bfloat16 unasked; alledge's backend tells it not to.
COMPUTES_IN = {"openvino": "float32 where not quantized (INFERENCE_PRECISION_HINT=f32)"}


def document(ledger: Ledger, wanted: Sequence[Configuration], order: Json, complete: bool) -> Json:
    """Return the document of what a ledger holds of some configurations.

    Parameters
    ----------
    ledger : Ledger
    wanted : sequence of Configuration
        A row each, in this order; none where nothing was begun.
    order : dict
        ``machine``, ``settings``, ``data``.
    complete : bool
        Whether every round that was asked for is there.
    """
    noise = [record["noise"] for rows in ledger.rounds.values() for record in rows]
    calibration = usual(noise) if noise else (1.0, None)
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "created": now(),
        "alledge": __version__,
        "commit": source_commit(),
        "complete": complete,
        **order,
        "rows": [
            row(one, ledger, order["settings"], calibration)
            for one in wanted
            if one.key in ledger.rounds or _failed(ledger.accuracy.get(one.artifact))
        ],
    }


def row(
    one: Configuration, ledger: Ledger, settings: Json, calibration: tuple[float, float | None]
) -> Json:
    """Return the row of a configuration: of all its rounds, or of its failure."""
    every = ledger.rounds.get(one.key, [])
    quiet = [record for record in every if not is_noisy(record["noise"])]
    # fewer undisturbed rounds than were asked for give no interval worth having
    rounds = quiet if len(quiet) >= settings["min_rounds"] else every
    judged = ledger.accuracy.get(one.artifact)
    broken = [record for record in [*every, judged] if _failed(record)]
    accuracy, note = (None, NOT_TIMED) if broken else _accuracy(judged)
    facts = one.bundle.record
    base = {
        "kind": "measured",
        "status": FAILED if broken else OK,
        "why": broken[0]["why"] if broken else None,
        "model": str(facts.get("model", one.bundle.name)),
        "head": facts.get("head"),
        "precision": str(facts.get("precision", "unknown")),
        "computes_in": COMPUTES_IN.get(one.backend),
        "backend": one.backend,
        "threads": one.threads,
        "bundle": one.bundle.name,
        "digest": one.bundle.digest,
        "parity": _parity(one),
        "file_bytes": _size(one),
        "training": _training(facts),
        "accuracy": accuracy,
        "accuracy_note": note,
        "noise": in_words([record["noise"] for record in rounds], *calibration),
        "set_aside": len(every) - len(rounds),
        "measured_at": every[-1]["at"] if every else broken[0]["at"],
    }
    found = [] if broken else [record["found"] for record in rounds]
    return {**base, **_measured(found, settings["width"])}


def read_result(path: str | Path) -> Result:
    """Read a result.

    Parameters
    ----------
    path : str or Path
        The file, or the folder of a measurement.

    Raises
    ------
    DataError
        If it is no result, or one of another version.
    """
    file = Path(path)
    file = file / RECORD if file.is_dir() else file
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{file} is not a result: {error}", fix="alledge benchmark BUNDLE --out FOLDER"
        ) from None
    if not isinstance(content, dict):
        raise DataError(
            f"{file} is not a result: it holds a JSON {type(content).__name__}, not an object",
            allowed=f"{SCHEMA!r} version {SCHEMA_VERSION}",
            fix="alledge benchmark BUNDLE --out FOLDER",
        )
    found = content.get("schema"), content.get("schema_version")
    if found != (SCHEMA, SCHEMA_VERSION):
        raise DataError(
            f"{file} is {found[0]!r} version {found[1]!r}",
            allowed=f"{SCHEMA!r} version {SCHEMA_VERSION}",
            fix="measure again with this version: alledge benchmark BUNDLE",
        )
    if missing := [key for key in NEEDED if key not in content]:
        raise DataError(
            f"{file} is not a whole result: it has no {', '.join(missing)}",
            fix="alledge benchmark BUNDLE --out FOLDER",
        )
    return cast(Result, content)


def _measured(found: list[Json], width: float) -> Json:
    if not found:
        nothing = ("engine", "latency", "end_to_end", "throughput", "cold_start_ms", "peak_mib")
        empty = dict.fromkeys((*nothing, "steady_mib", "cpu_ms", "reached_width"))
        return {**empty, "rounds": 0}
    model = [one["samples_ms"] for one in found]
    whole = [one["end_to_end"] for one in found]
    load = [one["load_ms"] for one in found]
    return {
        "engine": found[-1]["engine"],
        "latency": times(model, load, [one["first_ms"] for one in found]),
        "end_to_end": times(
            [one["samples_ms"] for one in whole], load, [one["first_ms"] for one in whole]
        ),
        "throughput": {
            **{
                name: round(median(one["throughput"][name] for one in found), 2)
                for name in ("images_per_s", "inferences_per_s")
            },
            "workers": found[-1]["throughput"]["workers"],
        },
        "cold_start_ms": round(median(one["cold_start_ms"] for one in found), 1),
        "peak_mib": _median([one["peak_mib"] for one in found]),
        "steady_mib": _median([one["steady_mib"] for one in found]),
        "cpu_ms": round(median(one["cpu_ms"] for one in found), 3),
        "rounds": len(found),
        "reached_width": widest(found) <= width,
    }


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(median(known), 1) if known else None


def _failed(record: Json | None) -> TypeGuard[Json]:
    return record is not None and record["status"] == FAILED


def _parity(one: Configuration) -> str | None:
    """Return what the desk found of the artifact against the float model; None where unknown."""
    try:
        document = json.loads((one.bundle.path / PARITY).read_text(encoding="utf-8"))
        verdict = document["formats"][one.backend]["verdict"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return verdict if verdict in VERDICTS else None


def _size(one: Configuration) -> int | None:
    try:
        files = one.bundle.formats[one.backend].files
        return sum((one.bundle.path / name).stat().st_size for name in files)
    except OSError:
        return None


def _training(facts: Json) -> Json:
    """Return what the bundle says of its weights, and of its run out of fold."""
    training = facts.get("training") or {}
    data, metrics = training.get("data") or {}, facts.get("metrics") or {}
    out_of_fold = None
    if metrics.get("sensitivity"):
        out_of_fold = {name: metrics.get(name) for name in FIGURES}
    return {
        "weights": training.get("weights"),
        "data": data.get("name"),
        "generated": data.get("generated"),
        "out_of_fold": out_of_fold,
    }


def _accuracy(judged: Json | None) -> tuple[Json | None, str | None]:
    if judged is None:
        return None, NOT_ASKED
    found = judged["found"]
    if found is None:
        return None, judged["why"]
    measured = found["operating"]
    return {
        "images": measured["images"],
        "positives": measured["positives"],
        "seen_left_out": found["seen_left_out"],
        "seen_included": found["seen_included"],
        "include_seen": found["include_seen"],
        "failed": len(found["failed"]),
        "threshold": measured["threshold"],
        **{name: measured[name] for name in FIGURES},
    }, None
