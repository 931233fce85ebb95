"""Events of the operating system: a folder is listed early, and nothing depends on them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watchfiles import Change

from alledge.runtime.station import network_disks
from alledge.runtime.station.watching.folder_events import MISSING, FolderEvents, is_news
from alledge.runtime.station.watching.folder_poll import FolderPoll
from alledge.runtime.station.watching.folder_scans import FolderScans

TIMEOUT_S = 20.0
NEVER_S = 3600.0  # between two turns: what is seen before was announced


def wait_until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


class Scanned:
    """A folder that is listed once an hour, and after events."""

    def __init__(self, folder: Path, settle_s: float = 0.0, recursive: bool = False) -> None:
        self.folder, self.lines, self.names = folder, list[str](), list[str]()
        self.woken = threading.Event()
        self.poll = FolderPoll(settle_s, recursive=recursive)
        self.events = FolderEvents(recursive, self.woken.set)
        home = folder.parent / "home"
        home.mkdir(exist_ok=True)
        self.scans = FolderScans(
            [str(folder)], home, self.poll, self.events, NEVER_S, self.lines.append
        )

    @property
    def reason(self) -> str | None:
        return self.events.state().get(str(self.folder))

    def begin(self) -> Scanned:
        self.scans.list_due(time.monotonic())
        wait_until(lambda: self.reason is not None)
        return self

    def look(self) -> list[str]:
        """List what is due; return the names of all files that were finished so far."""
        self.scans.list_due(time.monotonic())
        self.names += [Path(file.path).name for file in self.poll.take(time.monotonic(), 99)]
        return self.names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "camera").mkdir()
    return tmp_path / "camera"


@pytest.fixture
def scanned(folder: Path) -> Iterator[Scanned]:
    scanned = Scanned(folder).begin()
    yield scanned
    scanned.scans.close()


def test_a_file_is_seen_before_the_turn_of_its_folder(scanned: Scanned) -> None:
    assert scanned.reason == ""
    (scanned.folder / ".a.jpg").write_bytes(b"a")
    (scanned.folder / ".a.jpg").rename(scanned.folder / "a.jpg")
    wait_until(scanned.look)
    assert scanned.names == ["a.jpg"]
    assert scanned.woken.is_set()
    (document,) = scanned.scans.documents()
    assert document == {"folder": str(scanned.folder), "events": True, "reason": None}


def test_events_of_a_file_that_grows_do_not_finish_it(folder: Path) -> None:
    settle_s = 100.0
    scanned = Scanned(folder, settle_s).begin()
    path, now_s = folder / "a.jpg", 0.0
    for _ in range(4):
        with path.open("ab") as stream:
            stream.write(b"x" * 1000)
        wait_until(scanned.events.take)
        scanned.poll.scan([str(folder)], now_s, only=True)
        assert scanned.poll.take(now_s + 0.9 * settle_s, 9) == []
        now_s += settle_s
    assert [Path(file.path).name for file in scanned.poll.take(now_s, 9)] == ["a.jpg"]
    scanned.scans.close()


@pytest.mark.parametrize(
    ("change", "name", "expected"),
    [
        (Change.added, "a.jpg", True),
        (Change.modified, "a.jpg", True),
        (Change.deleted, "a.jpg", False),
        (Change.added, ".a.jpg", False),
    ],
)
def test_hidden_and_removed_files_are_no_news(change: Change, name: str, expected: bool) -> None:
    assert is_news(change, str(Path("camera", name))) is expected


def test_without_the_library_folders_are_listed_in_turn(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    scanned = Scanned(folder).begin()
    (folder / "a.jpg").write_bytes(b"a")
    assert scanned.reason == MISSING
    scanned.scans._next_s = 0.0  # the next turn
    assert scanned.look() == ["a.jpg"]
    assert scanned.scans.documents()[0]["reason"] == MISSING
    assert MISSING in scanned.lines[0]
    assert "listed every 3600 s" in scanned.lines[0]


@pytest.mark.skipif(sys.platform != "linux", reason="the table of mounts is that of Linux")
def test_a_network_disk_is_not_asked_for_events(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = folder.parent / "mounts"
    mounts.write_text(f"server:/x {folder.resolve()} nfs4 rw 0 0\n", encoding="utf-8")
    monkeypatch.setattr(network_disks, "MOUNTS", mounts)
    assert "nfs4" in (Scanned(folder).begin().reason or "")


def test_a_folder_that_was_replaced_has_events_again(scanned: Scanned) -> None:
    scanned.folder.rename(scanned.folder.with_name("before"))
    scanned.folder.mkdir()
    scanned.events.follow([str(scanned.folder)])
    wait_until(lambda: scanned.reason == "")
    scanned.events.take()
    (scanned.folder / "a.jpg").write_bytes(b"a")
    wait_until(scanned.events.take)


LIMITED = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from alledge.runtime.station.watching.folder_events import FolderEvents
events = FolderEvents(False, lambda: None)
events.follow([sys.argv[2]])
while (reason := events.state()[sys.argv[2]]) is None:
    time.sleep(0.01)
print(json.dumps(reason))
"""


@pytest.mark.parametrize("limit", ["instances", "watches"])
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs user namespaces of Linux")
def test_a_system_without_room_for_events_is_the_reason(folder: Path, limit: str) -> None:
    import alledge

    root = str(Path(alledge.__file__).parents[1])
    shell = f'echo 0 > /proc/sys/user/max_inotify_{limit} && exec "$@"'
    words = ["unshare", "--user", "--map-root-user", "sh", "-c", shell, "sh"]
    done = subprocess.run(
        [*words, sys.executable, "-c", LIMITED, root, str(folder)],
        capture_output=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    if done.returncode and "unshare" in done.stderr:
        pytest.skip("this machine allows no user namespaces")
    assert json.loads(done.stdout), done.stderr
