"""The log of rounds: one line for each round, so that an interrupted measurement can continue."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ...errors import DataError, UsageError
from ...runtime.files import write_json
from ...runtime.json_documents import JsonLines, read_json, read_json_lines
from ...runtime.json_schema import Violation, find_violation, load_schema
from ...runtime.outputs import make_folder
from ..types import AccuracyRecord, RoundRecord

CONDITIONS, ROUNDS = "conditions.json", "rounds.jsonl"
OTHER_FOLDER = "--out ANOTHER-FOLDER"
_TIME = {"type": "number", "exclusiveMinimum": 0, "maximum": 1e12}
_AMOUNT = {"type": ["number", "null"], "minimum": 0, "maximum": 1e12}
_SAMPLES: dict[str, Any] = {
    "type": "object",
    "required": ["first_ms", "samples_ms", "wall_ms", "cpu_ms"],
    "properties": {
        "first_ms": _TIME,
        "samples_ms": {"type": "array", "minItems": 1, "items": _TIME},
        "wall_ms": _TIME,
        "cpu_ms": {**_AMOUNT, "type": "number"},
    },
}
_FIGURES = {
    **_SAMPLES,
    "required": [*_SAMPLES["required"], "engine", "load_ms", "end_to_end", "steady_mib"]
    + ["peak_mib", "throughput", "cold_start_ms"],
    "properties": {
        **_SAMPLES["properties"],
        "engine": {"type": "string"},
        "load_ms": _TIME,
        "end_to_end": _SAMPLES,
        "steady_mib": _AMOUNT,
        "peak_mib": _AMOUNT,
        "throughput": {
            "type": "object",
            "required": ["images_per_s", "inferences_per_s", "workers"],
            "properties": {
                "images_per_s": _TIME,
                "inferences_per_s": _TIME,
                "workers": {"type": "integer", "minimum": 1},
            },
        },
        "cold_start_ms": _TIME,
    },
}
_NOISE = {
    "type": "object",
    "required": ["calibration_ms", "others_cores", "stolen_cores", "stopped_share", "hot_events"]
    + ["mhz", "celsius"],
    "properties": {"calibration_ms": _TIME, "celsius": {"type": ["number", "null"]}},
    "additionalProperties": _AMOUNT,
}
# What a line of the log holds: `RoundRecord` or `AccuracyRecord`.
RECORD_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["work", "key", "at", "status", "found", "why"],
    "properties": {
        "work": {"enum": ["round", "accuracy"]},
        "key": {"type": "string"},
        "at": {"type": "string"},
        "status": {"enum": ["ok", "failed"]},
        "why": {"type": ["string", "null"]},
    },
    "if": {"properties": {"work": {"const": "round"}}},
    "then": {
        "required": ["round", "noise"],
        "properties": {
            "round": {"type": "integer", "minimum": 1},
            "noise": _NOISE,
            "found": {"anyOf": [{"type": "null"}, _FIGURES]},
        },
    },
    "else": {"properties": {"found": {"type": ["object", "null"]}}},
}


class RoundsLog:
    """The records in the folder of a measurement.

    Parameters
    ----------
    out : Path
        The folder. It is created if it does not exist.
    conditions : dict
        JSON values that must be equal for all rounds of the folder: machine, duration of a
        round, timed image, data set.

    Attributes
    ----------
    rounds : dict of str to list of RoundRecord
        By the key of the configuration, in the order of measuring.
    accuracy : dict of str to AccuracyRecord
        By the key of the artifact.
    note : str or None
        What was wrong with the last line, if it was dropped.

    Raises
    ------
    UsageError
        If `out` cannot be a folder, or holds rounds that were measured under other conditions.
    DataError
        If a record before the last is damaged.
    """

    def __init__(self, out: Path, conditions: dict[str, Any]) -> None:
        make_folder(out)
        self._file = out / ROUNDS
        stored = out / CONDITIONS
        if stored.exists():
            before = read_json(stored, error=UsageError, fix=OTHER_FOLDER, file_names=True)
            _check_conditions(out, before, conditions)
        elif self._file.exists():
            raise UsageError(f"{out} has {ROUNDS} but no {CONDITIONS}", fix=OTHER_FOLDER)
        else:
            write_json(stored, conditions)
        self.rounds: dict[str, list[RoundRecord]] = {}
        self.accuracy: dict[str, AccuracyRecord] = {}
        lines = self._read()
        self.note = lines.note
        for record in lines.records:
            self._index(record)

    def add(self, record: RoundRecord | AccuracyRecord) -> None:
        """Append a record. It is on the disk when this method returns."""
        if record["why"] is not None:  # it may name a file whose name is not valid UTF-8
            record["why"] = record["why"].encode(errors="backslashreplace").decode()
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record, allow_nan=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._index(record)

    def _index(self, record: RoundRecord | AccuracyRecord) -> None:
        if record["work"] == "accuracy":
            self.accuracy[record["key"]] = record
        else:
            self.rounds.setdefault(record["key"], []).append(record)

    def _read(self) -> JsonLines:
        """Return the records. Remove a damaged last line, which a killed process leaves."""
        if not self._file.exists():
            return JsonLines()
        fix = f"delete the damaged line, or {OTHER_FOLDER}"
        lines = read_json_lines(self._file, error=DataError, fix=fix)
        for number, record in zip(lines.numbers, lines.records, strict=True):
            if violation := _find_violation(record):
                raise DataError(f"line {number} of {self._file} is no record: {violation}", fix=fix)
        if lines.valid_bytes < self._file.stat().st_size or not lines.ends_with_newline:
            with self._file.open("r+b") as stream:
                stream.truncate(lines.valid_bytes)
                stream.seek(0, os.SEEK_END)
                stream.write(b"" if lines.ends_with_newline else b"\n")
        return lines


def _find_violation(record: Any) -> Violation | None:
    """Return what is wrong with a record of the log; None if nothing is."""
    violation = find_violation(record, RECORD_SCHEMA)
    if violation is None and record["work"] == "accuracy" and record["found"] is not None:
        return find_violation(record["found"], load_schema("evaluate"))
    return violation


def _check_conditions(out: Path, stored: Any, current: dict[str, Any]) -> None:
    """Raise UsageError, unless the stored conditions are the current ones."""
    if not isinstance(stored, dict):
        raise UsageError(f"{out / CONDITIONS} holds no conditions", fix=OTHER_FOLDER)
    for key in dict.fromkeys((*stored, *current)):
        before, now = stored.get(key), current.get(key)
        if key in stored and key in current and before == now:
            continue
        differs = key
        if isinstance(before, dict) and isinstance(now, dict):
            names = dict.fromkeys((*before, *now))
            parts = [name for name in names if before.get(name) != now.get(name)]
            differs = f"{key} ({', '.join(parts[:3])})"
        raise UsageError(
            f"{out} holds rounds that were measured under other conditions: "
            f"the {differs} was not the same",
            fix=f"{OTHER_FOLDER}, or the same options on the same machine",
        )
