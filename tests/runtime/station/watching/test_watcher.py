"""The watcher in this process: what happens when the history fails while it works."""

from __future__ import annotations

from pathlib import Path

import pytest

from alledge.errors import HistoryError
from alledge.runtime.classifier import Classifier
from alledge.runtime.station.history.store import History
from alledge.runtime.station.history.verification import verify_history
from alledge.runtime.station.model import StationModel
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
