"""``watch --camera`` and ``serve --camera`` as processes, with a recording."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.brokers import TIMEOUT_S, wait_until
from support.recordings import FOCUSED, NEVER_SHARP, stage, write_recording
from support.stations import serving


def watch(home: Path, bundle: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable, "-m", "alledge", "watch", "--home", str(home), "--bundle", str(bundle),
        "--backend", "onnx", "--interval", "0.05", *options,
    ]  # fmt: skip
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", timeout=TIMEOUT_S, check=False
    )


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = [(1, FOCUSED), (2, NEVER_SHARP), (3, FOCUSED)]
    return write_recording(tmp_path_factory.mktemp("recording") / "stage.avi", stage(plan))


def test_a_recording_gives_one_result_for_each_field_in_focus(
    home: Path, bundle: Path, recording: Path
) -> None:
    done = watch(home, bundle, "--camera", str(recording), "--once", "--json")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 2
    assert {row["folder"] for row in rows} == {str(home / "camera")}
    assert "320 × 240 pixels" in done.stderr
    assert len(list((home / "camera").glob("*.png"))) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "nothing to watch"),
        (["--camera", "0", "--once"], "never ends"),
        (["--camera-folder", "x"], "--camera 0"),
        (["--camera", "0", "--grab", "sometimes"], "focus, key"),
        (["--camera", "typo.mp4"], "no camera or recording"),
    ],
)
def test_wrong_options_are_refused(home: Path, bundle: Path, options: list[str], said: str) -> None:
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    done = watch(home, bundle, *options)
    assert done.returncode == 2
    assert said in done.stderr


def test_the_page_shows_the_camera_and_takes_pictures(
    home: Path, bundle: Path, recording: Path
) -> None:
    with serving(home, bundle, "--camera", str(recording), "--grab", "key") as server:
        wait_until(lambda: server.get("/v1/camera").json["live"])
        assert server.get("/v1/state").json["camera"] is True
        frame = server.get("/v1/camera/frame")
        assert (frame.status, frame.headers["cache-control"]) == (200, "no-store")
        assert frame.body.startswith(b"\xff\xd8")
        status = server.get("/v1/camera").json
        assert status["mode"] == "key"
        assert status["best"] >= status["sharpness"] > 0
        assert server.ask("POST", "/v1/camera/grab").status == 415
        assert server.post_json("/v1/camera/grab", {}).status == 202
        wait_until(lambda: server.get("/v1/history").json["entries"])


def test_without_a_camera_there_is_none(home: Path, bundle: Path) -> None:
    with serving(home, bundle) as server:
        assert server.get("/v1/state").json["camera"] is False
        assert server.get("/v1/camera").status == 404
        assert server.post_json("/v1/camera/grab", {}).status == 404
