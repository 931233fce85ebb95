"""Whether a folder is on a network disk; standard library only.

On Linux the table of mounts decides, on Windows the type of the drive, and on macOS the list that
``mount`` prints. Where none of them answers, the disk is taken for a local one.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

# Names of file systems, as Linux and macOS print them. Of those in user space, the part after
# "fuse." counts.
NETWORK_TYPES = frozenset(
    (
        "9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "curlftpfs", "davfs", "davfs2", "drvfs",
        "gcsfuse", "glusterfs", "goofys", "gpfs", "lustre", "ncpfs", "nfs", "nfs3", "nfs4",
        "prl_fs", "pvfs2", "rclone", "s3fs", "smb2", "smb3", "smbfs", "sshfs", "vboxsf",
        "virtiofs", "vmhgfs", "vmhgfs-fuse", "webdav",
    )
)  # fmt: skip
MOUNTS = Path("/proc/self/mounts")
MOUNT_LINE = re.compile(r"^.+ on (?P<place>/.*) \((?P<type>[\w.]+)")  # of macOS
ESCAPE = re.compile(r"\\([0-7]{3})")
DRIVE_REMOTE = 4  # of GetDriveTypeW
MOUNT_TIMEOUT_S = 5.0


def network_disk(path: Path) -> str | None:
    """Return the kind of network disk that a path is on; None for a local disk.

    Parameters
    ----------
    path : Path
        It need not exist.

    Returns
    -------
    str or None
        For example ``"nfs4"`` or ``"network drive"``.
    """
    if sys.platform == "win32":
        return _windows_kind(path)
    real = os.path.realpath(path)
    if sys.platform == "darwin":
        kind = file_system_of(real, _macos_mounts())
    else:
        kind = file_system_of(real, _linux_mounts())
    return kind if kind is not None and is_network_type(kind) else None


def is_network_type(kind: str) -> bool:
    """Return whether a file system of this name keeps its files on another machine."""
    return kind.lower().removeprefix("fuse.") in NETWORK_TYPES


def file_system_of(path: str, mounts: Iterable[tuple[str, str]]) -> str | None:
    """Return the type of the file system that holds a path.

    Parameters
    ----------
    path : str
        Absolute, without links.
    mounts : iterable of (str, str)
        Mount point and type of each file system; a later one hides an earlier one.

    Returns
    -------
    str or None
        None if no mount point holds the path.
    """
    found, longest = None, -1
    for place, kind in mounts:
        folder = place.rstrip("/") + "/"
        if (path + "/").startswith(folder) and len(folder) >= longest:
            found, longest = kind, len(folder)
    return found


def parse_linux_mounts(text: str) -> list[tuple[str, str]]:
    """Return mount point and type of each line of ``/proc/mounts``.

    Examples
    --------
    >>> parse_linux_mounts("srv:/x /mnt/a\\\\040b nfs4 rw 0 0")
    [('/mnt/a b', 'nfs4')]
    """
    rows = [line.split(" ") for line in text.splitlines()]
    return [(_unescape(row[1]), row[2]) for row in rows if len(row) > 2]


def _unescape(place: str) -> str:
    return ESCAPE.sub(lambda match: chr(int(match[1], 8)), place)


def _linux_mounts() -> list[tuple[str, str]]:
    try:
        return parse_linux_mounts(MOUNTS.read_text(encoding="utf-8", errors="surrogateescape"))
    except OSError:
        return []


def _macos_mounts() -> list[tuple[str, str]]:
    import subprocess

    try:
        done = subprocess.run(
            ["/sbin/mount"], capture_output=True, encoding="utf-8", timeout=MOUNT_TIMEOUT_S,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return []
    lines = map(MOUNT_LINE.match, done.stdout.splitlines())
    return [(line["place"], line["type"]) for line in lines if line]


def _windows_kind(path: Path) -> str | None:
    """Return "network drive" for a path on a share, by its drive; also of a mapped letter."""
    import ctypes

    drive = os.path.splitdrive(os.path.abspath(path))[0]  # noqa: PTH100
    if drive.startswith(("\\\\", "//")) and not drive.startswith(("\\\\?\\", "\\\\.\\")):
        return "network share"
    windll = getattr(ctypes, "windll", None)
    if windll is None:
        return None
    return "network drive" if windll.kernel32.GetDriveTypeW(drive + "\\") == DRIVE_REMOTE else None
