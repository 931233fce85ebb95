"""Cameras: V4L2 and UVC through OpenCV, a Pi camera through picamera2, and recordings."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ....errors import AlledgeError, MissingPackageError, UsageError

if TYPE_CHECKING:
    from ...types import RGB

PI = "pi"
LARGEST_SIDE = 10_000  # a driver reduces it to the largest that the camera has
USUAL_RATE = 25.0  # frames a second of a recording that names none


class FrameSource(Protocol):
    """Gives the frames of a camera or a recording."""

    is_live: bool

    def read(self) -> tuple[RGB, float] | None:
        """Return the next frame and its time in seconds; None at the end of a recording.

        Raises
        ------
        AlledgeError
            If the camera gives no more frames.
        """

    def close(self) -> None:
        """Release the camera."""


def source_opener(name: str) -> tuple[Callable[[], FrameSource], bool]:
    """Return what opens a camera, and whether it is live.

    Parameters
    ----------
    name : str
        A number, a device (``/dev/video0``), the name of a recording, or ``pi``; ``pi:1`` is the
        second Pi camera.

    Returns
    -------
    callable
        Opens the camera anew with each call; raises AlledgeError if that fails.
    bool
        False for a recording.

    Raises
    ------
    UsageError
        If the name is none of these.
    MissingPackageError
        If OpenCV or picamera2 is not installed.
    """
    kind, _, number = name.partition(":")
    if kind == PI and (number or "0").isdecimal():
        camera_class = _picamera2()
        return lambda: PiSource(camera_class, int(number or 0)), True
    cv2 = _opencv()
    if name.isdecimal():
        return lambda: OpenCVSource(cv2, int(name), name), True
    path = Path(name)
    if path.is_file():
        return lambda: OpenCVSource(cv2, name, path.name, is_live=False), False
    if name.startswith("/dev/"):
        return lambda: OpenCVSource(cv2, name, name), True
    raise UsageError(
        f"there is no camera or recording {name!r}",
        allowed="a number, a device such as /dev/video0, a video file, pi",
        fix="--camera 0 for the first camera",
    )


def _opencv() -> Any:
    try:
        import cv2
    except ImportError:
        raise MissingPackageError("opencv-python-headless", "camera", "a camera") from None
    return cv2


def _picamera2() -> Any:
    try:
        from picamera2 import Picamera2
    except ImportError:
        raise UsageError(
            "the Pi camera needs picamera2, which is not installed for this Python",
            fix="sudo apt install python3-picamera2, and make the virtual environment with "
            "--system-site-packages",
        ) from None
    return Picamera2


class OpenCVSource:
    """A camera or a recording that OpenCV opens.

    Parameters
    ----------
    cv2 : module
    device : int or str
    name : str
        For errors.
    is_live : bool
        False: a recording, which is played at its own speed.

    Raises
    ------
    AlledgeError
        If it cannot be opened.
    """

    def __init__(self, cv2: Any, device: int | str, name: str, *, is_live: bool = True) -> None:
        self.is_live, self._name, self._cv2 = is_live, name, cv2
        on_linux = is_live and sys.platform.startswith("linux")
        self._capture = cv2.VideoCapture(device, cv2.CAP_V4L2 if on_linux else cv2.CAP_ANY)
        if not self._capture.isOpened():
            self._capture.release()
            raise AlledgeError(f"the camera {name} cannot be opened", fix="is it used elsewhere?")
        if is_live:
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, LARGEST_SIDE)
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, LARGEST_SIDE)
            self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest frame, not a queue
        self._rate = self._capture.get(cv2.CAP_PROP_FPS) or USUAL_RATE
        self._started_s, self._frames = time.monotonic(), 0

    def read(self) -> tuple[RGB, float] | None:
        """Return the next frame and its time; see `FrameSource`."""
        is_good, bgr = self._capture.read()
        if not is_good:
            if self.is_live:
                raise AlledgeError(f"the camera {self._name} gives no more frames")
            return None
        time_s = time.monotonic()
        if not self.is_live:
            time_s = self._frames / self._rate
            time.sleep(max(0.0, self._started_s + time_s - time.monotonic()))
        self._frames += 1
        return self._cv2.cvtColor(bgr, self._cv2.COLOR_BGR2RGB), time_s

    def close(self) -> None:
        """Release the camera."""
        self._capture.release()


class PiSource:
    """A camera of a Raspberry Pi.

    Parameters
    ----------
    camera_class : class
        ``picamera2.Picamera2``.
    number : int

    Raises
    ------
    AlledgeError
        If it cannot be opened.
    """

    is_live = True

    def __init__(self, camera_class: Any, number: int) -> None:
        try:
            self._camera = camera_class(number)
            main = {"size": self._camera.sensor_resolution, "format": "BGR888"}  # RGB in memory
            self._camera.configure(self._camera.create_video_configuration(main=main))
            self._camera.start()
        except (RuntimeError, IndexError, OSError) as error:
            raise AlledgeError(f"the Pi camera {number} cannot be opened: {error}") from None

    def read(self) -> tuple[RGB, float] | None:
        """Return the next frame and its time; see `FrameSource`."""
        try:
            return self._camera.capture_array("main"), time.monotonic()
        except (RuntimeError, OSError) as error:
            raise AlledgeError(f"the Pi camera gives no more frames: {error}") from None

    def close(self) -> None:
        """Release the camera."""
        self._camera.stop()
        self._camera.close()
