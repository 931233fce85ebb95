"""Reads frames of a camera in a thread, and saves some of them into a folder that is watched."""

from __future__ import annotations

import datetime
import io
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from PIL import Image

from ....errors import AlledgeError, UsageError
from ...outputs import output_file
from .focus import Exposure, FrameMeasure, SettledFocus, measure_frame
from .sources import FrameSource

if TYPE_CHECKING:
    from ...types import RGB

RETRY_S = 2.0  # after a camera was lost
LIVE_PIXELS, LIVE_QUALITY = 640, 75  # of the live picture
LEAST_FREE = 200 << 20  # bytes of the disk; fewer: no picture is saved
SHORTEST_EVERY_S = 0.5
GRAB_FORM = "focus, key, or a number of seconds"

Notice = Callable[[str], object]


@dataclass(frozen=True)
class GrabRule:
    """When a picture is taken; a person can always take one.

    Parameters
    ----------
    mode : {"focus", "key", "every"}
    every_s : float
        Of the mode ``every``: seconds between two pictures.
    """

    mode: Literal["focus", "key", "every"]
    every_s: float = 0.0


class CameraDocument(TypedDict):
    """The answer of ``/v1/camera``."""

    live: bool  # whether there are frames
    mode: str
    every_s: float
    frames: int  # number of frames so far
    grabbed: int  # number of pictures so far
    problem: str | None
    width: int | None  # of the last frame, in pixels
    height: int | None
    sharpness: float | None  # of the last frame
    best: float | None  # sharpness since the field came
    exposure: Exposure | None
    clipped: float | None  # share of the pixels, 0 to 1


def grab_rule(text: str) -> GrabRule:
    """Return the rule that a text names.

    Parameters
    ----------
    text : str
        ``focus``, ``key``, or a number of seconds.

    Raises
    ------
    UsageError
        If it is none of these, or less than half a second or more than a day.
    """
    if text == "focus":
        return GrabRule("focus")
    if text == "key":
        return GrabRule("key")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not SHORTEST_EVERY_S <= seconds <= 86400:
        raise UsageError(
            f"--grab is {text!r}", allowed=f"{GRAB_FORM} from {SHORTEST_EVERY_S:g} to 86400"
        )
    return GrabRule("every", seconds)


class CameraGrabber:
    """Saves frames of a camera as PNG files, each complete when it appears.

    Parameters
    ----------
    open_source : callable
        Opens the camera; it is called again after the camera was lost.
    folder : Path
        It exists.
    rule : GrabRule
    notice : callable
        Gets lines for people.
    """

    def __init__(
        self,
        open_source: Callable[[], FrameSource],
        folder: Path,
        rule: GrabRule,
        notice: Notice,
    ) -> None:
        self._open_source, self._folder, self._rule = open_source, folder, rule
        self._notice = notice
        self._focus = SettledFocus()
        self._next_s: float | None = None  # of the mode "every": time of the next picture
        self._frame: RGB | None = None
        self._measure: FrameMeasure | None = None
        self._frames, self._grabbed = 0, 0
        self._problem: str | None = None
        self._wanted, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="alledge-camera", daemon=True)

    def start(self) -> None:
        """Begin to read frames."""
        self._thread.start()

    def grab(self) -> None:
        """Save the next frame; any thread may call it."""
        self._wanted.set()

    def join(self) -> None:
        """Wait for the end of a recording."""
        while self._thread.is_alive():
            self._thread.join(0.2)  # a signal is handled between two waits

    def close(self) -> None:
        """Release the camera."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def status(self) -> CameraDocument:
        """Return focus, exposure and counts of this moment."""
        frame, measure = self._frame, self._measure
        return {
            "live": frame is not None,
            "mode": self._rule.mode,
            "every_s": self._rule.every_s,
            "frames": self._frames,
            "grabbed": self._grabbed,
            "problem": self._problem,
            "width": None if frame is None else frame.shape[1],
            "height": None if frame is None else frame.shape[0],
            "sharpness": None if measure is None else measure.sharpness,
            "best": None if measure is None else max(self._focus.best, measure.sharpness),
            "exposure": None if measure is None else measure.exposure,
            "clipped": None if measure is None else measure.clipped,
        }

    def live_jpeg(self) -> bytes | None:
        """Return the last frame as a small JPEG; None without one."""
        if (frame := self._frame) is None:
            return None
        step = max(1, max(frame.shape[:2]) // (2 * LIVE_PIXELS))
        picture = Image.fromarray(frame[::step, ::step].copy())
        picture.thumbnail((LIVE_PIXELS, LIVE_PIXELS), Image.Resampling.BILINEAR)
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=LIVE_QUALITY)
        return stream.getvalue()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                source = self._open_source()
                try:
                    self._read(source)
                finally:
                    source.close()
                if not source.is_live:
                    break
            except AlledgeError as error:
                self._say(error.one_line)
                self._stop.wait(RETRY_S)
            self._frame = self._measure = None
        self._frame = self._measure = None

    def _read(self, source: FrameSource) -> None:
        while not self._stop.is_set() and (read := source.read()) is not None:
            frame, time_s = read
            measure = measure_frame(frame)
            self._frame, self._measure = frame, measure
            self._frames += 1
            if self._frames == 1 or self._problem is not None:
                self._notice(f"camera: {frame.shape[1]} × {frame.shape[0]} pixels")
                self._problem = None
            if self._is_due(measure, time_s):
                self._save(frame)

    def _is_due(self, measure: FrameMeasure, time_s: float) -> bool:
        is_settled = self._focus.update(measure, time_s)  # in every mode: the page shows the best
        is_due = self._rule.mode == "focus" and is_settled
        if self._rule.mode == "every":
            if self._next_s is None:
                self._next_s = time_s
            is_due = time_s >= self._next_s
            if is_due:
                missed = (time_s - self._next_s) // self._rule.every_s
                self._next_s += (missed + 1) * self._rule.every_s
        if self._wanted.is_set():
            self._wanted.clear()
            is_due = True
        return is_due

    def _save(self, frame: RGB) -> None:
        try:
            if shutil.disk_usage(self._folder).free < LEAST_FREE:
                raise AlledgeError(f"the disk has less than {LEAST_FREE >> 20} MiB left")
            with output_file(self._new_path(), option="--camera-folder") as temporary:
                Image.fromarray(frame).save(temporary, "PNG", compress_level=1)
        except (AlledgeError, OSError) as error:
            what = error.one_line if isinstance(error, AlledgeError) else str(error)
            self._say(f"the picture is not saved: {what}")
        else:
            self._grabbed += 1

    def _new_path(self) -> Path:
        """Return a name that no file has: a clock can be set back."""
        now = datetime.datetime.now()
        while True:
            path = self._folder / f"{now:%Y-%m-%d %H-%M-%S}.{now.microsecond // 1000:03d}.png"
            if not path.exists():
                return path
            now += datetime.timedelta(milliseconds=1)

    def _say(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            self._notice(f"camera: {problem}; trying again")
