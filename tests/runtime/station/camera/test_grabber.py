"""The thread that reads a camera: when it takes pictures, and what it does when one fails."""

from __future__ import annotations

import itertools
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from alledge.errors import AlledgeError, UsageError
from alledge.runtime.station.camera import grabber as module
from alledge.runtime.station.camera.grabber import CameraGrabber, GrabRule, grab_rule
from alledge.runtime.station.camera.sources import OpenCVSource, PiSource, source_opener
from support.brokers import wait_until
from support.recordings import FOCUSED, RATE, field, frames_of, stage, write_recording


class Recording:
    """Frames in memory, as fast as they are read; a live one fails at its end."""

    def __init__(self, frames: Iterator[NDArray[np.uint8]], *, is_live: bool = False) -> None:
        self._frames, self.is_live, self._number = frames, is_live, 0

    def read(self) -> tuple[NDArray[np.uint8], float] | None:
        frame = next(self._frames, None)
        if frame is None:
            if self.is_live:
                raise AlledgeError("the camera gives no more frames")
            return None
        self._number += 1
        return frame, (self._number - 1) / RATE

    def close(self) -> None:
        pass


def grabbed(tmp_path: Path, frames: Iterator[NDArray[np.uint8]], rule: str) -> list[Path]:
    grabber = CameraGrabber(lambda: Recording(frames), tmp_path, grab_rule(rule), print)
    grabber.start()
    grabber.join()
    return sorted(tmp_path.iterdir())


def test_fields_in_focus_are_saved_as_they_are(tmp_path: Path) -> None:
    plan = [(1, FOCUSED), (2, FOCUSED)]
    files = grabbed(tmp_path, stage(plan), "focus")
    frames = [frame.tobytes() for frame in stage(plan)]
    assert len(files) == 2
    for file in files:
        with Image.open(file) as picture:
            assert np.asarray(picture).tobytes() in frames


def test_every_so_many_seconds_of_the_camera_a_picture_is_saved(tmp_path: Path) -> None:
    frames = frames_of(field(1), [0.0] * (4 * RATE + 1), 0)
    assert len(grabbed(tmp_path, frames, "1")) == 5


def test_a_picture_is_saved_when_a_person_asks(tmp_path: Path) -> None:
    frame = np.asarray(field(1))
    grabber = CameraGrabber(
        lambda: Recording(itertools.repeat(frame)), tmp_path, GrabRule("key"), print
    )
    grabber.start()
    try:
        for count in (1, 2, 3):
            grabber.grab()
            wait_until(lambda count=count: grabber.status()["grabbed"] == count)
        status = grabber.status()
        assert (status["live"], status["width"], status["height"]) == (True, 320, 240)
        assert status["exposure"] == "good"
        assert (grabber.live_jpeg() or b"").startswith(b"\xff\xd8")
    finally:
        grabber.close()
    assert len(list(tmp_path.iterdir())) == 3


def test_a_camera_that_was_lost_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    frame, lines, opened = np.asarray(field(1)), [], []

    def open_source() -> Recording:
        opened.append(1)
        if len(opened) == 2:
            raise AlledgeError("the camera 0 cannot be opened")
        last = len(opened) > 3
        return Recording(itertools.repeat(frame) if last else iter([frame]), is_live=True)

    grabber = CameraGrabber(open_source, tmp_path, GrabRule("key"), lines.append)
    grabber.start()
    try:
        wait_until(lambda: len(opened) > 3 and grabber.status()["live"])
        assert grabber.status()["problem"] is None
    finally:
        grabber.close()
    assert any("no more frames" in line for line in lines)
    assert any("cannot be opened" in line for line in lines)


def test_a_full_disk_is_said_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEAST_FREE", 1 << 62)
    lines: list[str] = []
    frame = np.asarray(field(1))
    grabber = CameraGrabber(
        lambda: Recording(itertools.repeat(frame)), tmp_path, grab_rule("0.5"), lines.append
    )
    grabber.start()
    try:
        wait_until(lambda: grabber.status()["frames"] > 30)
    finally:
        grabber.close()
    assert list(tmp_path.iterdir()) == []
    assert any("the disk has less" in line for line in lines)


def test_a_recording_is_read_in_the_right_colours_at_its_own_times(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    red = np.zeros((240, 320, 3), np.uint8)
    red[..., 0] = 200
    path = write_recording(tmp_path / "stage.avi", iter([red] * 3))
    opener, is_live = source_opener(str(path))
    assert not is_live
    source = opener()
    read = [source.read() for _ in range(4)]
    source.close()
    assert read[3] is None
    frame, time_s = read[2]
    assert time_s == pytest.approx(2 / RATE)
    assert frame[120, 160].tolist() == pytest.approx([200, 0, 0], abs=12)
    (tmp_path / "no.avi").write_bytes(b"no video")
    with pytest.raises(AlledgeError, match=r"no.avi cannot be opened"):
        OpenCVSource(cv2, str(tmp_path / "no.avi"), "no.avi", is_live=False)


class FakePi:
    """What picamera2 offers, as far as it is used."""

    sensor_resolution = (64, 48)

    def __init__(self, number: int) -> None:
        if number:
            raise IndexError("list index out of range")
        self.calls: list[Any] = []

    def create_video_configuration(self, main: dict[str, Any]) -> dict[str, Any]:
        return main

    def configure(self, main: dict[str, Any]) -> None:
        assert main == {"size": (64, 48), "format": "BGR888"}

    def start(self) -> None:
        self.calls.append("start")

    def capture_array(self, name: str) -> NDArray[np.uint8]:
        if "stop" in self.calls:
            raise RuntimeError("the camera is stopped")
        return np.zeros((48, 64, 3), np.uint8)

    def stop(self) -> None:
        self.calls.append("stop")

    def close(self) -> None:
        self.calls.append("close")


def test_a_pi_camera_is_opened_through_picamera2(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = types.SimpleNamespace(Picamera2=FakePi)
    monkeypatch.setitem(__import__("sys").modules, "picamera2", fake)
    opener, is_live = source_opener("pi")
    assert is_live
    source = opener()
    read = source.read()
    assert read is not None
    assert read[0].shape == (48, 64, 3)
    source.close()
    with pytest.raises(AlledgeError, match="no more frames"):
        source.read()
    with pytest.raises(AlledgeError, match="1 cannot be opened"):
        PiSource(FakePi, 1)


def test_a_missing_picamera2_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "picamera2", None)
    with pytest.raises(UsageError, match="picamera2") as caught:
        source_opener("pi:0")
    assert "python3-picamera2" in str(caught.value)


@pytest.mark.parametrize("name", ["typo.mp4", "pi:x", "", "-1"])
def test_a_name_that_is_no_camera_is_refused(name: str) -> None:
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    with pytest.raises(UsageError, match="no camera or recording"):
        source_opener(name)


@pytest.mark.parametrize("text", ["", "0", "0.4", "nan", "inf", "86401", "focused", "-1"])
def test_a_wrong_rule_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--grab"):
        grab_rule(text)
