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

from ...errors import BundleError, UsageError
from ...runtime.bundle.record_file import RECORD, record_text
from ...runtime.bundle.signing import SIGNATURE
from ...runtime.digests import file_digest
from ...runtime.json_documents import read_json
from ...runtime.outputs import check_folder, is_own_document
from ..types import Json

REJECTED = ".rejected"
LOG_SCHEMA = "alledge/export-log"
SYSTEM_FILES = (".DS_Store", "Thumbs.db", "desktop.ini")  # that file managers write by themselves
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest possible; constant for reproducible bytes


def check_place(out: Path, force: bool) -> None:
    """Check that a bundle may be written to a path, and its log and refused artifacts beside it.

    Raises
    ------
    UsageError
        If there is a bundle and `force` is False; if there is anything else that is not an empty
        folder, or a bundle with a file that no export wrote; if a file of the user has the name
        of the log or of the folder of refused artifacts; if the folder cannot be written.
    """
    _check_beside(out)
    if out.is_symlink() or not (out / RECORD).is_file():
        fix = "name another --out"
        if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
            raise UsageError(f"{out} exists already and is not a bundle", fix=fix)
        check_folder(out)
        return
    if not force:
        raise UsageError(
            f"the bundle {out} exists already", fix="--force to replace it, or --out BUNDLE"
        )
    if foreign := _foreign_files(out):
        raise UsageError(
            f"the bundle {out} holds {foreign[0]}, which no export wrote",
            fix="move that file elsewhere, or name another --out",
        )
    check_folder(out.with_name(out.name + ".new"))  # the folder above can be written


def _check_beside(out: Path) -> None:
    """Raise UsageError if the log or the refused artifacts would replace files of the user."""
    log, aside = log_path(out), out.with_name(out.name + REJECTED)
    for path, is_own in ((log, is_own_document(log, LOG_SCHEMA)), (aside, _is_aside(aside))):
        if os.path.lexists(path) and not is_own:
            raise UsageError(
                f"{path} exists already, and no export wrote it; an export of {out} may write it",
                fix="move it elsewhere, or name another --out",
            )


def log_path(out: Path) -> Path:
    """Return the path of an export's log, beside the bundle."""
    return out.with_name(f"{out.name}.log.json")


def _is_aside(folder: Path) -> bool:
    """Return whether a folder holds nothing but refused artifacts."""
    return (
        folder.is_dir()
        and not folder.is_symlink()
        and all(path.suffix in (REJECTED, ".json") for path in folder.iterdir())
    )


def _foreign_files(bundle: Path) -> list[str]:
    """Return the files in a bundle's folder that its record does not name."""
    try:
        files = read_json(bundle / RECORD, error=BundleError)["files"]
        own = {*files, RECORD, SIGNATURE, *SYSTEM_FILES}
    except (BundleError, LookupError, TypeError):
        own = {RECORD}
    paths = (path for path in sorted(bundle.rglob("*")) if not path.is_dir())
    names = [path.relative_to(bundle).as_posix() for path in paths]
    return [name for name in names if name not in own]


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
    if os.path.lexists(aside) and not _is_aside(aside):
        raise UsageError(f"{aside} exists already, and no export wrote it", fix="--out BUNDLE")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for folder in artifacts.values():
        for path in sorted(folder.iterdir()):
            shutil.copyfile(path, aside / (path.name + REJECTED))
    for name, document in documents.items():
        write_document(aside / name, document)
    return aside
