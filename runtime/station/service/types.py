"""The type that describes a service, and the names that its files have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

NAME = "alledge-station"
MARK = "Written by `alledge station install`"
TOKEN_VARIABLE = "ALLEDGE_TOKEN"


@dataclass(frozen=True)
class ServicePlan:
    """What a service runs.

    Parameters
    ----------
    command : tuple of str
        The program and its first arguments, for example ``("/opt/alledge/bin/alledge",)``.
    arguments : tuple of str
        ``serve`` or ``watch``, and its options; every path is absolute.
    home : PurePath
        The folder of the workstation: the only one that the service writes to.
    folders : tuple of str
        What is watched.
    written : tuple of PurePath
        Further folders that the service writes to: that of the camera.
    user : str
        Under which the service runs.
    is_local : bool
        Whether it talks to this machine only.
    has_camera : bool
    """

    command: tuple[str, ...]
    arguments: tuple[str, ...]
    home: PurePath
    folders: tuple[str, ...]
    written: tuple[PurePath, ...]
    user: str
    is_local: bool
    has_camera: bool
