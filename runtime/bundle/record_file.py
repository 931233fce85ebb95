"""Reads and writes the text of ``bundle.json``, which contains its own checksum."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from ...errors import BundleError, TamperedError
from ..digests import sha256
from ..json_values import InvalidValueError, check_hex, check_object, check_text, shown
from .validation import SHA256_DIGITS, validate_record

RECORD = "bundle.json"
SCHEMA, SCHEMA_VERSION = "alledge/bundle", 1
TASKS = ("field",)  # kinds of images that this version can classify
MAX_BYTES = 16 << 20
CHECKSUM = "checksum"
NO_CHECKSUM = "0" * SHA256_DIGITS  # stands in its place while the checksum is computed
COPY_FIX = "copy the whole bundle again; never edit a file of it"
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
        record = check_object(_parse(content), "")
        _check_version(path, record)
        validate_record(record)
        checksum = check_hex(record.get(CHECKSUM), CHECKSUM, SHA256_DIGITS)
    except InvalidValueError as error:
        fix = EXPORT_FIX if error.is_missing else COPY_FIX
        raise BundleError(
            f"{path}: {error.key} {error.what}", allowed=error.allowed, fix=fix
        ) from None
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is damaged: {error}", fix=COPY_FIX) from None
    actual = sha256(content.replace(checksum.encode("ascii"), NO_CHECKSUM.encode("ascii")))
    if actual.hexdigest() != checksum:
        raise TamperedError(
            f"{path} was changed after the export: it has the checksum {checksum}, "
            f"its content {actual.hexdigest()}",
            fix=COPY_FIX,
        )
    return record


def read_document(path: Path) -> Any:
    """Return the content of another JSON document of a bundle.

    Raises
    ------
    BundleError
        If the file cannot be read, or is not JSON.
    """
    try:
        return _parse(read_content(path))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is damaged: {error}", fix=COPY_FIX) from None


def read_content(path: Path) -> bytes:
    """Return the content of ``bundle.json``, which has to be a regular file of at most 16 MiB.

    Raises
    ------
    BundleError
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is not a regular file")
        if status.st_size > MAX_BYTES:
            raise ValueError(f"it has {status.st_size} bytes, more than {MAX_BYTES}")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BundleError(
            f"{path.parent} is not a bundle: its {path.name} cannot be read: {reason}",
            fix="name a folder that `alledge export` wrote; without a record it is incomplete",
        ) from None


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


def _parse(content: bytes) -> Any:
    return json.loads(content.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_once)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a key is there twice")
    return document
