"""What ``watch`` and ``serve`` do with a camera: its folder, its thread, and the Enter key."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ....errors import UsageError
from ...outputs import make_folder
from ..options import StationOptions
from .grabber import CameraGrabber, GrabRule, grab_rule
from .sources import FrameSource, source_opener

FOLDER = "camera"  # below the folder of the workstation
STDIN = 0


@dataclass(frozen=True)
class CameraSettings:
    """A camera, as the options name it.

    Parameters
    ----------
    open_source : callable
    is_live : bool
        False for a recording.
    folder : Path
        Its pictures; they stay there.
    rule : GrabRule
    """

    open_source: Callable[[], FrameSource]
    is_live: bool
    folder: Path
    rule: GrabRule


def camera_settings(options: StationOptions, home: Path) -> CameraSettings | None:
    """Return the camera that the options name, and create its folder; None without one.

    Parameters
    ----------
    options : StationOptions
    home : Path
        The folder of the workstation.

    Raises
    ------
    UsageError
        As `source_opener` and `grab_rule`, if the folder cannot be written, or it is named without
        a camera.
    MissingPackageError
        As `source_opener`.
    """
    camera, folder = options.camera, options.camera_folder
    if camera is None:
        if folder is not None:
            raise UsageError("--camera-folder is for a camera", fix="--camera 0")
        return None
    rule = grab_rule(options.grab)
    open_source, is_live = source_opener(camera)
    place = home / FOLDER if folder is None else Path(folder)
    make_folder(place, "--camera-folder")
    return CameraSettings(open_source, is_live, place, rule)


@contextlib.contextmanager
def grabbing(
    settings: CameraSettings | None, notice: Callable[[str], object]
) -> Iterator[CameraGrabber | None]:
    """Read the frames of a camera during the body of the ``with``.

    Parameters
    ----------
    settings : CameraSettings or None
        None: there is no camera.
    notice : callable
    """
    if settings is None:
        yield None
        return
    grabber = CameraGrabber(settings.open_source, settings.folder, settings.rule, notice)
    grabber.start()
    try:
        yield grabber
    finally:
        grabber.close()


def grab_on_enter(grabber: CameraGrabber) -> None:
    """Take a picture at each Enter key, where standard input is a terminal."""
    if sys.stdin is None or not sys.stdin.isatty():
        return

    def run() -> None:
        # not through sys.stdin, whose lock Python could not take at exit
        with contextlib.suppress(OSError):
            while os.read(STDIN, 1024):
                grabber.grab()

    threading.Thread(target=run, name="alledge-key", daemon=True).start()
