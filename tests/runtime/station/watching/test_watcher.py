"""The watcher in this process: what happens when the history fails while it works."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from alledge.errors import HistoryError
from alledge.runtime.classifier import Classifier
from alledge.runtime.station.history.store import History
from alledge.runtime.station.history.verification import verify_history
from alledge.runtime.station.model import StationModel
from alledge.runtime.station.options import StationOptions
from alledge.runtime.station.watching.run_watch import new_watcher
from alledge.runtime.station.watching.watcher import BATCH, Watcher
from support.stations import png


def model_of(classifier: Classifier, home: Path) -> StationModel:
    return StationModel(lambda site: classifier, None, home, lambda text: None)


def test_after_a_full_disk_the_same_watcher_records_the_rest(home: Path, bundle: Path) -> None:
    camera, files = home.parent / "camera", 2 * BATCH + 3
    camera.mkdir()
    for number in range(files):
        (camera / f"{number}.png").write_bytes(png(number))
    announced: list[int] = []
    with (
        History(home) as history,
        Classifier.load(bundle, "onnx", 2, "throughput", previews=True) as classifier,
    ):
        watcher = Watcher(
            [str(camera)], model_of(classifier, home), history, home, settle_s=0.0,
            interval_s=0.01, announce=lambda number, path: announced.append(number),
            notice=lambda text: None,
        )  # fmt: skip
        history._connection.execute("PRAGMA max_page_count = 80")  # a small disk
        with pytest.raises(HistoryError, match="the disk is full"):
            watcher.run(once=True)
        assert 0 < len(announced) < files
        history._connection.execute("PRAGMA max_page_count = 100000")
        watcher.run(once=True)
        assert announced == list(range(1, files + 1))
        assert watcher.waiting == 0
        assert verify_history(history)["problems"] == []


def test_folders_are_absolute_in_the_history(
    home: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.parent / "camera").mkdir()
    monkeypatch.chdir(home.parent)
    options = StationOptions(
        ("camera",), str(home), str(bundle), "onnx", 1, None, 60.0, 0.0, 0.01, False, None, None,
        "focus", None, None,
    )  # fmt: skip
    with (
        History(home) as history,
        Classifier.load(bundle, "onnx", 1, "throughput", previews=True) as classifier,
    ):
        model = model_of(classifier, home)
        watcher = new_watcher(options, None, model, history, home, lambda number, path: None)
        assert watcher.folders == [str(home.parent / "camera")]


def test_a_watcher_that_was_stopped_returns(home: Path, bundle: Path) -> None:
    with (
        History(home) as history,
        Classifier.load(bundle, "onnx", 1, "throughput", previews=True) as classifier,
    ):
        watcher = Watcher(
            [str(home.parent)], model_of(classifier, home), history, home, settle_s=0.0,
            interval_s=0.01, announce=lambda number, path: None, notice=lambda text: None,
        )  # fmt: skip
        watcher.stop()
        watcher.run()
        assert watcher.is_stopped


def test_a_file_that_the_system_announces_gets_a_result_before_its_turn(
    home: Path, bundle: Path
) -> None:
    camera, announced = home.parent / "camera", threading.Event()
    camera.mkdir()
    with (
        History(home) as history,
        Classifier.load(bundle, "onnx", 1, "throughput", previews=True) as classifier,
    ):
        watcher = Watcher(
            [str(camera)], model_of(classifier, home), history, home, settle_s=0.1,
            interval_s=3600.0, announce=lambda number, path: announced.set(),
            notice=lambda text: None,
        )  # fmt: skip
        thread = threading.Thread(target=watcher.run)
        thread.start()
        try:
            deadline_s = time.monotonic() + 20
            while not watcher.documents()[0]["events"]:
                assert time.monotonic() < deadline_s
                time.sleep(0.01)
            (camera / "a.png").write_bytes(png(1))
            assert announced.wait(20)
        finally:
            watcher.stop()
            thread.join()
