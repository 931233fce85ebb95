"""The folder that holds all state of a workstation: history, previews and locks."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import UsageError
from ..device_home import HOME_VARIABLE, device_home
from ..outputs import make_folder
from .network_disks import network_disk


def station_home(named: str | Path | None = None) -> Path:
    """Return the folder of the workstation, and create it.

    Parameters
    ----------
    named : str or Path, optional
        As `device_home`.

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
    home = device_home(named)
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
