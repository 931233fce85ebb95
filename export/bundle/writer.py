"""Writes a bundle so that it is there whole or not at all; numpy and the standard library only."""

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
from ...runtime.bundle.bundle import RECORD
from ...runtime.digests import file_digest

Json = dict[str, Any]
REJECTED = ".rejected"
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest there is: the same bytes every time


def check_place(out: Path, force: bool) -> None:
    """Refuse a place where a bundle may not be written.

    Raises
    ------
    UsageError
        If something is there: a bundle without `force`, anything else even with it.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / RECORD).is_file():
        raise UsageError(f"{out} is there already and is not a bundle", fix="name another --out")
    if not force:
        raise UsageError(
            f"the bundle {out} is there already", fix="--force to replace it, or --out BUNDLE"
        )


@contextmanager
def new_bundle(out: Path, force: bool) -> Iterator[Path]:
    """Give a folder beside the bundle's place to fill; it is renamed if nothing failed.

    Parameters
    ----------
    out : Path
    force : bool
        Replace a bundle.

    Yields
    ------
    Path
        An empty folder. Its record is to be written last: a folder without one is no bundle.
    """
    clear_leftovers(out)
    check_place(out, force)
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{out.name}.{os.getpid()}.part")
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    beside.mkdir()
    try:
        yield beside
        check_place(out, force)
        if out.exists():
            out.replace(old)
        beside.replace(out)
    finally:
        if old.exists() and not out.exists():
            old.replace(out)
        for folder in (beside, old):
            shutil.rmtree(folder, ignore_errors=True)


def clear_leftovers(out: Path) -> None:
    """Mend what killed exports left beside this bundle's place.

    What is half-written is removed. A bundle that was set aside to be replaced comes back where
    the new one never arrived.
    """
    if not out.parent.is_dir():
        return
    left = re.compile(rf"\.{re.escape(out.name)}(?:\.log\.json)?\.(\d+)\.(part|old)")
    for path in sorted(out.parent.iterdir()):
        found = left.fullmatch(path.name)
        if not found or not gone(found[1]):
            continue
        if found[2] == "old" and not out.exists():
            path.replace(out)
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def gone(pid: str) -> bool:
    """Return whether the process that a leftover is named after has ended."""
    import psutil

    return not psutil.pid_exists(int(pid)) or int(pid) == os.getpid()


def write_record(folder: Path, record: Json) -> None:
    """Write ``bundle.json`` with the SHA-256 of every other file of the folder."""
    files = {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    write_document(folder / RECORD, {**record, "files": files})


def write_document(path: Path, document: Json) -> None:
    """Write a JSON document, the same bytes on every system."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    path.write_bytes(text.encode("utf-8"))


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as ``.npz``, compressed; the same arrays give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", ZIP_DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, member.getvalue())


def put_aside(out: Path, artifacts: Mapping[str, Path], documents: Mapping[str, Json]) -> Path:
    """Keep what was refused, so that no one takes it for a bundle: every file ``*.rejected``.

    Parameters
    ----------
    out : Path
        The bundle's place.
    artifacts : mapping of str to Path
        Folders of artifacts, by format.
    documents : mapping of str to dict
        JSON documents by file name.

    Returns
    -------
    Path
        The folder ``<out>.rejected``; one of an earlier export is replaced.
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
