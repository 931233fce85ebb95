"""The folder that holds all state of a workstation: history, previews and locks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ...errors import UsageError
from ..outputs import make_folder
from .network_disks import network_disk

HOME_VARIABLE = "ALLEDGE_HOME"
FOLDER = "alledge-station"


def station_home(named: str | Path | None = None) -> Path:
    """Return the folder of the workstation, and create it.

    Parameters
    ----------
    named : str or Path, optional
        The value of ``--home``. By default ``$ALLEDGE_HOME``, else the user data folder of the
        platform.

    Returns
    -------
    Path
        Absolute. Only the user may read it, where the folder is new and the platform is POSIX.

    Raises
    ------
    UsageError
        If it cannot be created or written, the user has no home folder, or the folder is on a
        network disk: SQLite's write-ahead log needs memory that all its processes share.
    """
    home = Path(named or os.environ.get(HOME_VARIABLE) or _default_home()).expanduser()
    home = Path(os.path.abspath(home))  # noqa: PTH100 - resolve() would hide a mapped drive
    if (kind := network_disk(home)) is not None:
        raise UsageError(
            f"the folder {home} is on a network disk ({kind}), where the history cannot be kept "
            "safely: its database needs locks and shared memory of a local disk",
            fix=f"--home FOLDER on a local disk, or set {HOME_VARIABLE}; the watched folders may "
            "be on a network disk",
        )
    is_new = not home.exists()
    make_folder(home, "--home")
    if is_new and os.name == "posix":
        home.chmod(0o700)  # file names may hold names of patients
    return home


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
