"""Paths as the engines take them."""

from __future__ import annotations

from pathlib import Path


def utf8_path(path: Path) -> str | None:
    """Return a path as text that UTF-8 can encode; None if its name is not valid UTF-8.

    Engines take paths in UTF-8. In the locale C, Python reads every non-ASCII name as invalid.

    Parameters
    ----------
    path : Path
    """
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return None
    return str(path)
