"""Where an engine may keep what it compiled: a folder of the user's, shared safely by processes.

An entry is made whole beside its place and renamed into it; it is never written to afterwards. A
machine without a writable folder simply has no cache.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from .digests import file_digest

CACHE_VARIABLE = "ALLEDGE_CACHE"  # a folder, or "off"
OFF = "off"
SUMS = "sums.json"
KEPT_ENTRIES = 8


def cache_root() -> Path | None:
    """Return the folder of all caches; None where the user wants none, or has no home."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return None if named.lower() == OFF else Path(named)
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
    """Let an engine use its cache entry, making it where there is none.

    Parameters
    ----------
    name : str
        Of the entry: everything that its content depends on.
    use : callable
        Called with the folder of the entry: full, or empty and to be filled; or with None.

    Notes
    -----
    Two processes that make the same entry each make their own; the first to rename it wins, and
    the other's is thrown away. Nobody waits, and nobody reads a half-written one. An entry that
    is not as it was made (an engine would compute with flipped bits) is thrown away too.
    """
    root = cache_root()
    if root is None:
        return use(None)
    place = root / name
    if _is_whole(place):
        return use(place)
    making = root / f".{name}.{os.getpid()}.{threading.get_ident()}"
    try:
        shutil.rmtree(place, ignore_errors=True)
        making.mkdir(parents=True)
    except OSError:
        return use(None)
    try:
        use(making)
        with contextlib.suppress(OSError):  # another process was first, or the disk is full
            _seal(making)
            making.rename(place)
            _forget_oldest(root)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _seal(folder: Path) -> None:
    sums = {path.name: file_digest(path) for path in folder.iterdir()}
    if not sums:
        raise FileNotFoundError("the engine kept nothing")
    (folder / SUMS).write_text(json.dumps(sums), encoding="utf-8")


def _is_whole(folder: Path) -> bool:
    try:
        sums = json.loads((folder / SUMS).read_text(encoding="utf-8"))
        return {path.name for path in folder.iterdir()} == {*sums, SUMS} and all(
            file_digest(folder / name) == wanted for name, wanted in sums.items()
        )
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def _forget_oldest(root: Path) -> None:
    entries = [path for path in root.iterdir() if not path.name.startswith(".")]
    for old in sorted(entries, key=lambda path: path.stat().st_mtime)[:-KEPT_ENTRIES]:
        shutil.rmtree(old, ignore_errors=True)
