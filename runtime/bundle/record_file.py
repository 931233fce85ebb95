"""Reads and writes the text of ``bundle.json``, which contains its own checksum."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...errors import BundleError, TamperedError
from ..digests import sha256
from ..json_documents import parse_json
from ..json_values import InvalidValueError, check_hex, check_object, check_text, shown
from ..regular_files import read_regular_file
from .validation import SHA256_DIGITS, validate_record

RECORD = "bundle.json"
SCHEMA, SCHEMA_VERSION = "alledge/bundle", 1
TASKS = ("field", "cell")  # kinds of images that this version can classify
MAX_BYTES = 16 << 20
CHECKSUM = "checksum"
NO_CHECKSUM = "0" * SHA256_DIGITS  # stands in its place while the checksum is computed
COPY_FIX = "copy the whole bundle again; never edit a file of it"
FOLDER_FIX = "name a folder that `alledge export` wrote; without a record it is incomplete"
EXPORT_FIX = "export the bundle again"


def record_text(record: dict[str, Any]) -> bytes:
    """Return the text of ``bundle.json`` with its checksum; the same on every system.

    Parameters
    ----------
    record : dict
        Without the checksum; one that it has is replaced.

    Returns
    -------
    bytes
        JSON in UTF-8. The checksum is the SHA-256 of this text with 64 zeros in its place.
    """
    document = {**record, CHECKSUM: NO_CHECKSUM}
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    start, end = text.encode("utf-8").rsplit(NO_CHECKSUM.encode("ascii"), 1)
    checksum = sha256(start + NO_CHECKSUM.encode("ascii") + end).hexdigest()
    return start + str(checksum).encode("ascii") + end


def parse_record(path: Path, content: bytes) -> dict[str, Any]:
    """Return the record that a text holds, after every check that needs no other file.

    Parameters
    ----------
    path : Path
        The file, for error messages.
    content : bytes

    Raises
    ------
    BundleError
        If the text is no JSON object, has another version, or a value that cannot be meant.
    TamperedError
        If the text is not the text that was exported.
    """
    try:
        record = check_object(parse_json(content, path, error=BundleError, fix=COPY_FIX), "")
        _check_version(path, record)
        check_object(record, "", [CHECKSUM])
        validate_record(record)
        checksum = check_hex(record[CHECKSUM], CHECKSUM, SHA256_DIGITS)
    except InvalidValueError as error:
        fix = EXPORT_FIX if error.is_missing else COPY_FIX
        raise BundleError(
            f"{path}: {error.key} {error.what}", allowed=error.allowed, fix=fix
        ) from None
    actual = sha256(content.replace(checksum.encode("ascii"), NO_CHECKSUM.encode("ascii")))
    if actual.hexdigest() != checksum:
        raise TamperedError(
            f"{path} was changed after the export: it has the checksum {checksum}, "
            f"its content {actual.hexdigest()}",
            fix=COPY_FIX,
        )
    return record


def read_content(path: Path) -> bytes:
    """Return the content of ``bundle.json``, which has to be a regular file of at most 16 MiB.

    Parameters
    ----------
    path : Path

    Raises
    ------
    BundleError
    """
    try:
        return read_regular_file(path, limit_bytes=MAX_BYTES, error=BundleError)
    except BundleError as error:
        what = f"{path.parent} is not a bundle: {error.what}"
        raise BundleError(what, allowed=error.allowed, fix=FOLDER_FIX) from None


def _check_version(path: Path, record: dict[str, Any]) -> None:
    """Refuse a document that is no record, or the record of a task of a newer version."""
    schema, version = record.get("schema"), record.get("schema_version")
    if schema != SCHEMA or type(version) is not int or version != SCHEMA_VERSION:
        raise BundleError(
            f"{path} is {shown(schema)} version {shown(version)}",
            allowed=f"{SCHEMA!r} version {SCHEMA_VERSION}",
            fix=f"update alledge on this machine, or {EXPORT_FIX}",
        )
    if check_text(record.get("task"), "task") not in TASKS:
        raise BundleError(
            f"{path.parent} classifies {shown(record['task'])}, which this version cannot",
            allowed=TASKS,
            fix="update alledge on this machine",
        )
