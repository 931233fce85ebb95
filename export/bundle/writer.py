"""Writes a bundle completely or not at all."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from ...runtime.bundle.record_file import RECORD, record_text
from ...runtime.digests import file_digest
from ..types import Json

REJECTED = ".rejected"
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest possible; constant for reproducible bytes


def check_place(out: Path, force: bool) -> None:
    """Check that a bundle may be written to a path.

    Raises
    ------
    UsageError
        If there is a bundle and `force` is False, or anything else that is not an empty folder.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / RECORD).is_file():
        raise UsageError(f"{out} exists already and is not a bundle", fix="name another --out")
    if not force:
        raise UsageError(
            f"the bundle {out} exists already", fix="--force to replace it, or --out BUNDLE"
        )


@contextmanager
def new_bundle(out: Path, force: bool) -> Iterator[Path]:
    """Yield an empty folder beside the bundle's path; rename it to that path if nothing fails.

    Parameters
    ----------
    out : Path
    force : bool
        Replace an existing bundle.

    Yields
    ------
    Path
        An empty folder. Write its record last: a folder without one is not a bundle.
    """
    clear_leftovers(out)
    check_place(out, force)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.{os.getpid()}.part")
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    partial.mkdir()
    try:
        yield partial
        check_place(out, force)
        if out.exists():
            out.replace(old)
        partial.replace(out)
    finally:
        if old.exists() and not out.exists():
            old.replace(out)
        for folder in (partial, old):
            shutil.rmtree(folder, ignore_errors=True)


def clear_leftovers(out: Path) -> None:
    """Clean up what killed exports left beside this bundle's path.

    Partial files are deleted. A bundle that was set aside to be replaced is moved back if the new
    one was never finished.
    """
    if not out.parent.is_dir():
        return
    leftover = re.compile(rf"\.{re.escape(out.name)}(?:\.log\.json)?\.(\d+)\.(part|old)")
    for path in sorted(out.parent.iterdir()):
        match = leftover.fullmatch(path.name)
        if not match or not has_ended(match[1]):
            continue
        if match[2] == "old" and not out.exists():
            path.replace(out)
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def has_ended(pid: str) -> bool:
    """Return whether the process that a leftover is named after has ended.

    A leftover with the number of this process is from an earlier process with the same number.
    """
    import psutil

    return not psutil.pid_exists(int(pid)) or int(pid) == os.getpid()


def write_record(folder: Path, record: Json) -> None:
    """Write ``bundle.json`` with the SHA-256 and the size of every other file in the folder."""
    paths = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    files = {name: file_digest(path) for name, path in paths.items()}
    sizes = {name: path.stat().st_size for name, path in paths.items()}
    (folder / RECORD).write_bytes(record_text({**record, "files": files, "sizes": sizes}))


def write_document(path: Path, document: Json) -> None:
    """Write a JSON document; the bytes are the same on every system."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    path.write_bytes(text.encode("utf-8"))


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as a compressed ``.npz`` file; the same arrays give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", ZIP_DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, member.getvalue())


def put_aside(out: Path, artifacts: Mapping[str, Path], documents: Mapping[str, Json]) -> Path:
    """Keep refused artifacts as ``*.rejected`` files, so that nobody takes them for a bundle.

    Parameters
    ----------
    out : Path
        The path of the bundle.
    artifacts : mapping of str to Path
        Folders of artifacts, by format.
    documents : mapping of str to dict
        JSON documents by file name.

    Returns
    -------
    Path
        The folder ``<out>.rejected``. One from an earlier export is replaced.
    """
    aside = out.with_name(out.name + REJECTED)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for folder in artifacts.values():
        for path in sorted(folder.iterdir()):
            shutil.copyfile(path, aside / (path.name + REJECTED))
    for name, document in documents.items():
        write_document(aside / name, document)
    return aside
