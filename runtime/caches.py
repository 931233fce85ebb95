"""A cache of what engines compile: a folder of the user that processes share; standard library.

An entry is a folder. A process fills it under another name, then renames it into place. It is
never changed after that. Where no folder can be written, there is no cache.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ..errors import AlledgeError
from .digests import file_digest
from .files import is_unicode
from .interrupts import on_end
from .json_documents import read_json

CACHE_VARIABLE = "ALLEDGE_CACHE"  # a folder, or "off"
OFF = "off"
SUMS = "sums.json"  # the SHA-256 of every other file of an entry
KEPT_ENTRIES = 8
# Names of `_own_name`; other names with a dot belong to other parts of alledge.
OWN_NAME = re.compile(r"\.(openvino|onnx|tensorrt|overlaps)-.+\.\d+\.\d+(\.removed)?")
ABANDONED_S = 24 * 3600.0  # age of a folder whose process no longer fills it


def cache_root() -> Path | None:
    """Return the folder of all caches; None if the user switched it off or has no home folder."""
    setting = os.environ.get(CACHE_VARIABLE)
    if setting:
        return None if setting.lower() == OFF else Path(setting)
    try:
        if sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a service account may have no home
        return None
    return base / "alledge"


def with_cache(name: str, use: Callable[[Path | None], None]) -> None:
    """Call a function with the folder of a cache entry, and keep what the function writes there.

    Parameters
    ----------
    name : str
        Of the entry; it identifies everything that the content depends on.
    use : callable
        Called once, with the folder of the entry. If there is no entry, the folder is empty, and
        `use` fills it. Without a cache, `use` gets None.

    Notes
    -----
    Processes that start together each fill a folder of their own. The first one to rename it
    into place wins; the others delete theirs. No process waits for another one, and none reads
    an entry that is not complete.

    An entry whose files do not have the recorded hashes is replaced: an engine would compute
    with its flipped bits.
    """
    root = cache_root()
    if root is None or not is_unicode(root):  # engines take no path that is not text
        return use(None)
    entry = root / name
    damaged = _identity(entry)  # of the folder that is judged next, not of a later one
    if damaged is not None and _is_intact(entry):
        return use(entry)
    own = _own_name(entry)
    try:
        own.mkdir(parents=True)
    except OSError:
        return use(None)
    with on_end(lambda: shutil.rmtree(own, ignore_errors=True)):
        _fill(own, entry, damaged, use)


def _fill(
    own: Path, entry: Path, damaged: tuple[int, int] | None, use: Callable[[Path | None], None]
) -> None:
    """Have a function fill a folder, and rename the folder into place."""
    try:
        use(own)
        with contextlib.suppress(OSError):  # another process was first, or the disk is full
            _write_sums(own)
            if damaged is not None:
                _remove(entry, damaged)
            own.rename(entry)
            _remove_old(entry.parent)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _own_name(entry: Path) -> Path:
    """Return a name beside an entry that no other thread uses."""
    return entry.with_name(f".{entry.name}.{os.getpid()}.{threading.get_ident()}")


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return what tells a folder from another one of the same name; None if there is none."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _remove(entry: Path, identity: tuple[int, int]) -> None:
    """Remove an entry, unless another process has replaced it meanwhile.

    The entry is renamed before it is deleted, so that no process finds a part of it.
    """
    removed = entry.with_name(f"{_own_name(entry).name}.removed")
    if _identity(entry) != identity:
        return
    with contextlib.suppress(OSError):
        entry.rename(removed)
        if _identity(removed) != identity:  # replaced between the check and the renaming
            removed.rename(entry)
    shutil.rmtree(removed, ignore_errors=True)


def _write_sums(folder: Path) -> None:
    sums = {path.name: file_digest(path) for path in folder.iterdir()}
    if not sums:
        raise FileNotFoundError("the engine wrote nothing")
    (folder / SUMS).write_text(json.dumps(sums), encoding="utf-8")


def _is_entry(path: Path) -> bool:
    """Return whether a path is a folder that this module filled."""
    return path.name[0] != "." and not path.is_symlink() and (path / SUMS).is_file()


def _is_intact(folder: Path) -> bool:
    try:
        sums = read_json(folder / SUMS, error=AlledgeError)
        return {path.name for path in folder.iterdir()} == {*sums, SUMS} and all(
            (folder / name).is_file() and file_digest(folder / name) == digest
            for name, digest in sums.items()
        )
    except (OSError, AlledgeError, AttributeError, TypeError):
        return False


def _remove_old(root: Path) -> None:
    """Remove the oldest entries above the limit, and folders that a killed process left.

    The user may have named a folder that holds other things; only a folder with sums is an entry.
    """
    now_s = time.time()
    age_s = {path: now_s - path.lstat().st_mtime for path in root.iterdir()}
    entries = sorted(filter(_is_entry, age_s), key=age_s.__getitem__)
    for entry in entries[KEPT_ENTRIES:]:
        if (identity := _identity(entry)) is not None:
            _remove(entry, identity)
    for path in age_s:
        if OWN_NAME.fullmatch(path.name) and age_s[path] > ABANDONED_S:
            shutil.rmtree(path, ignore_errors=True)
