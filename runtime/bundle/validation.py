"""Checks of every value of ``bundle.json`` that a device reads; standard library only."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from ..cells.field_rule_validation import check_field_rule
from ..cells.settings import check_cell_settings
from ..image_settings import check_settings
from ..json_values import (
    JOINERS,
    MISSING,
    InvalidValueError,
    check_choice,
    check_hex,
    check_integer,
    check_items,
    check_list,
    check_number,
    check_numbers,
    check_object,
    check_text,
    invalid,
    is_hex,
)
from .feature_output import LAST_LAYERS, check_feature_output
from .guard_validation import validate_guards

SHA256_DIGITS, PIXEL_HASH_DIGITS = 64, 32
FORMATS = ("tflite", "onnx", "openvino")
CELL, OTHER = "cell", "other"  # the task of a cell model, and its label of what is no leucocyte
KEYS = (
    "name", "version", "task", "model", "head", "precision", "labels", "positive", "image_path",
    "formats", "training", "metrics", "guards", "seen", "files", "sizes",
)  # fmt: skip
FORMAT_KEYS = ("file", "temperature", "threshold", "band", "produced_by")
# Training fits temperatures from 0.05 to 20.
LEAST_TEMPERATURE, LARGEST_TEMPERATURE = 1e-3, 1e3
MAX_LABELS, MAX_LABEL_CHARS, MAX_FILE_BYTES = 1000, 100, 1 << 40


def validate_record(record: dict[str, Any]) -> None:
    """Check the values of a record, except its schema and its checksum.

    Parameters
    ----------
    record : dict
        The content of ``bundle.json``.

    Raises
    ------
    InvalidValueError
        It names the key and the value.
    """
    check_object(record, "", KEYS)
    for key in ("name", "version", "task", "model", "head", "precision"):
        check_text(record[key], key)
    validate_labels(record["labels"], record["positive"])
    check_settings(record["image_path"], "image_path")
    check_object(check_object(record["training"], "training", ["data"])["data"], "training.data")
    if record["metrics"] is not None:
        check_object(record["metrics"], "metrics")
    _check_files(record["files"], record["sizes"])
    formats = check_object(record["formats"], "formats")
    if not formats:
        raise invalid("formats", formats, f"one or more of {', '.join(FORMATS)}")
    for name, row in formats.items():
        check_choice(name, "the name of a format", FORMATS)
        _check_format(row, f"formats.{name}", record["files"])
    if record["task"] == CELL:
        _check_cell_task(record)
    if record["guards"] is not None:
        validate_guards(record["guards"])
    if record["seen"] is not None:
        _check_seen(record["seen"])


def _check_cell_task(record: dict[str, Any]) -> None:
    """Check what only the record of a cell model has."""
    check_object(record, "", ["cells"])
    check_cell_settings(record["cells"], "cells")
    size = record["cells"]["crop"]["size"]
    if record["image_path"]["size"] != size:
        raise invalid("image_path.size", record["image_path"]["size"], f"{size}, as cells.crop")
    if OTHER in record["positive"]:
        raise invalid("positive", record["positive"], f"no label {OTHER}: it is no leucocyte")
    if not set(record["labels"]) - set(record["positive"]) - {OTHER}:
        raise invalid("labels", record["labels"], "a label of leucocytes that is not positive")
    for name, row in record["formats"].items():
        key = f"formats.{name}"
        check_field_rule(check_object(row, key, ["field"])["field"], f"{key}.field")
    if record.get("field_guards") is not None:
        validate_guards(record["field_guards"], "field_guards")


def validate_labels(labels: object, positive: object) -> None:
    """Check the labels of a model, and which of them are positive.

    Parameters
    ----------
    labels, positive : object
        Lists of str, if they are right.

    Raises
    ------
    InvalidValueError
        If they are not at least two printable names that look different, or if all or none of
        them are positive.
    """
    names = check_list(labels, "labels", 2, MAX_LABELS)
    same: dict[str, str] = {}
    for number, name in enumerate(names):
        check_text(name, f"labels[{number}]", MAX_LABEL_CHARS)
        folded = _appearance(name)
        if folded in same:
            raise invalid(f"labels[{number}]", name, f"another name than {same[folded]!r}")
        same[folded] = name
    chosen = check_list(positive, "positive", 1, len(names) - 1)
    for number, name in enumerate(chosen):
        check_choice(name, f"positive[{number}]", names)
        if name in chosen[:number]:
            raise invalid(f"positive[{number}]", name, "each label once")


def _appearance(name: str) -> str:
    """Return what a reader sees of a label: without capitals, extra spaces and Unicode forms."""
    if not name.isascii():
        import unicodedata  # rarely needed, and a library of 1 MB

        name = unicodedata.normalize("NFKC", name)
        name = "".join(c for c in name if c not in JOINERS)
    return " ".join(name.casefold().split())


def _check_files(files: object, sizes: object) -> None:
    names = check_object(files, "files")
    bytes_of = check_object(sizes, "sizes", names)
    for name, digest in names.items():
        check_text(name, "the name of a file")
        check_inside(name, "the name of a file")
        check_hex(digest, f"files.{name}", SHA256_DIGITS)
        check_integer(bytes_of[name], f"sizes.{name}", 0, MAX_FILE_BYTES)


def check_inside(name: str, key: str) -> str:
    """Return the name of a bundle's file; refuse one that is not inside the bundle.

    Raises
    ------
    InvalidValueError
    """
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in name or not pure.parts:
        raise invalid(key, name, "a path inside the bundle")
    return name


def format_files(name: str, file: str) -> tuple[str, ...]:
    """Return all files that the engine of a format reads; OpenVINO's weights are a second file."""
    return (file, str(PurePosixPath(file).with_suffix(".bin"))) if name == "openvino" else (file,)


def _check_format(value: object, key: str, files: dict[str, Any]) -> None:
    row = check_object(value, key, FORMAT_KEYS)
    file = check_inside(check_text(row["file"], f"{key}.file"), f"{key}.file")
    if missing := [name for name in format_files(key.split(".")[1], file) if name not in files]:
        raise InvalidValueError(f"files.{missing[0]}", MISSING, "its SHA-256")
    check_number(row["temperature"], f"{key}.temperature", LEAST_TEMPERATURE, LARGEST_TEMPERATURE)
    check_number(row["threshold"], f"{key}.threshold", 0, 1)
    low, high = check_numbers(row["band"], f"{key}.band", 2, 0, 1)
    if low > high:
        raise invalid(f"{key}.band", row["band"], "the lower end first")
    for package, version in check_object(row["produced_by"], f"{key}.produced_by").items():
        check_text(version, f"{key}.produced_by.{package}")
    if "features" in row:  # a bundle of an earlier version has none
        check_feature_output(row["features"], f"{key}.features", key.split(".")[1])
        if LAST_LAYERS not in files:
            raise InvalidValueError(f"files.{LAST_LAYERS}", MISSING, "its SHA-256")


def _check_seen(value: object) -> None:
    seen = check_object(value, "seen", ["salt", "hashes"])
    salt = check_text(seen["salt"], "seen.salt")
    if not is_hex(salt):
        raise invalid("seen.salt", salt, "bytes in hexadecimal digits")
    hashes = check_list(seen["hashes"], "seen.hashes")
    try:  # all at once: there may be thousands
        are_right = is_hex("".join(hashes)) and set(map(len, hashes)) <= {PIXEL_HASH_DIGITS}
    except TypeError:
        are_right = False
    if not are_right:
        check_items(hashes, "seen.hashes", lambda v, k: check_hex(v, k, PIXEL_HASH_DIGITS))
