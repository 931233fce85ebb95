"""The folder that holds all state of a device, such as its site profiles; standard library only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..errors import UsageError

HOME_VARIABLE = "ALLEDGE_HOME"
SITE_VARIABLE = "ALLEDGE_SITE"
FOLDER = "alledge-station"


def device_home(named: str | Path | None = None) -> Path:
    """Return the folder of the device's state, even if there is none.

    Parameters
    ----------
    named : str or Path, optional
        The value of ``--home``. By default ``$ALLEDGE_HOME``, else the user data folder of the
        platform.

    Returns
    -------
    Path
        Absolute.

    Raises
    ------
    UsageError
        If the user has no home folder.
    """
    home = Path(named or os.environ.get(HOME_VARIABLE) or _default_home()).expanduser()
    return Path(os.path.abspath(home))  # noqa: PTH100 - resolve() would hide a mapped drive


def _default_home() -> Path:
    try:
        if sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Application Support"
        else:
            base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    except RuntimeError:
        raise UsageError(
            "this user has no home folder", fix=f"--home FOLDER, or set {HOME_VARIABLE}"
        ) from None
    return base / FOLDER
