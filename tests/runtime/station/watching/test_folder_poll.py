"""When a file of a watched folder counts as finished, with a clock that the test sets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from alledge.runtime.station.watching.folder_poll import FolderPoll, is_ignored

SETTLE_S = 2.0


class Watched:
    """A folder that is polled at times the test names."""

    def __init__(self, folder: Path, recursive: bool = False) -> None:
        self.folder = folder
        self.poll = FolderPoll(SETTLE_S, recursive=recursive)

    def at(self, now_s: float, most: int = 99) -> list[str]:
        self.poll.scan([str(self.folder)], now_s)
        return [Path(file.path).name for file in self.poll.take(now_s, most)]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_file_is_taken_once_when_it_was_still(watched: Watched) -> None:
    (watched.folder / "a.jpg").write_bytes(b"a")
    assert watched.at(0.0) == []
    assert watched.at(1.9) == []
    assert watched.at(2.0) == ["a.jpg"]
    assert watched.at(3.0) == []
    assert watched.poll.waiting == 0


def test_a_scan_of_one_folder_leaves_the_files_of_others(watched: Watched) -> None:
    folders = [watched.folder / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
        (folder / "x.jpg").write_bytes(b"x")
    names = [str(folder) for folder in folders]
    watched.poll.scan(names, 0.0)
    (folders[0] / "x.jpg").unlink()
    (folders[1] / "x.jpg").unlink()
    watched.poll.scan(names[:1], 1.0, only=True)
    assert watched.poll.waiting == 1
    assert watched.poll.next_due_s() == SETTLE_S
    watched.poll.scan(names, 1.5)
    assert (watched.poll.waiting, watched.poll.next_due_s()) == (0, float("inf"))


def test_a_file_that_grows_is_never_taken(watched: Watched) -> None:
    path = watched.folder / "a.jpg"
    for second in range(20):
        with path.open("ab") as stream:
            stream.write(b"x" * 1000)
        assert watched.at(float(second)) == []
    assert watched.at(21.0) == ["a.jpg"]


def test_a_file_that_changes_between_listing_and_taking_waits(watched: Watched) -> None:
    path = watched.folder / "a.jpg"
    path.write_bytes(b"a")
    watched.at(0.0)
    watched.poll.scan([str(watched.folder)], 5.0)
    path.write_bytes(b"ab")
    assert watched.poll.take(5.0, 9) == []
    assert watched.at(6.0) == []
    assert watched.at(8.0) == ["a.jpg"]


def test_a_retake_under_the_same_name_and_of_the_same_size_is_taken_again(
    watched: Watched,
) -> None:
    path = watched.folder / "a.jpg"
    path.write_bytes(b"1")
    watched.at(0.0)
    assert watched.at(2.0) == ["a.jpg"]
    status = path.stat()
    (watched.folder / ".new").write_bytes(b"2")
    os.utime(watched.folder / ".new", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    (watched.folder / ".new").replace(path)
    assert watched.at(3.0) == []
    assert watched.at(5.0) == ["a.jpg"]


def test_a_hidden_name_is_not_looked_at_until_it_is_renamed(watched: Watched) -> None:
    (watched.folder / ".a.jpg.x").write_bytes(b"a")
    assert watched.at(0.0) == watched.at(9.0) == []
    (watched.folder / ".a.jpg.x").rename(watched.folder / "a.jpg")
    watched.at(10.0)
    assert watched.at(12.0) == ["a.jpg"]


@pytest.mark.parametrize("shift_s", [-(10**9), 10**9])
def test_times_of_files_are_never_compared_with_the_clock(watched: Watched, shift_s: int) -> None:
    path = watched.folder / "a.jpg"
    path.write_bytes(b"a")
    os.utime(path, (path.stat().st_mtime + shift_s, path.stat().st_mtime + shift_s))
    watched.at(0.0)
    assert watched.at(2.0) == ["a.jpg"]


def test_files_that_appear_later_come_first(watched: Watched) -> None:
    for number in range(5):
        (watched.folder / f"old{number}.jpg").write_bytes(b"a")
    watched.at(0.0)
    (watched.folder / "new.jpg").write_bytes(b"a")
    watched.at(1.0)
    assert watched.at(4.0, most=2) == ["new.jpg", "old0.jpg"]
    assert watched.poll.waiting == 4


def test_a_file_that_may_become_whole_is_taken_again_later(watched: Watched) -> None:
    (watched.folder / "a.jpg").write_bytes(b"a")
    watched.at(0.0)
    watched.poll.scan([str(watched.folder)], 2.0)
    [file] = watched.poll.take(2.0, 9)
    watched.poll.retry(file, 20.0)
    assert watched.at(19.9) == []
    assert watched.at(20.0) == ["a.jpg"]
    (watched.folder / "b.jpg").write_bytes(b"b")
    watched.at(30.0)
    [file] = watched.poll.take(32.0, 9)
    watched.poll.retry(file, 20.0)
    (watched.folder / "b.jpg").write_bytes(b"more")  # a change shortens the wait
    watched.at(33.0)
    assert watched.at(35.0) == ["b.jpg"]


def test_a_folder_that_goes_and_comes_back_is_named_and_read_again(watched: Watched) -> None:
    camera = watched.folder / "camera"
    watched.folder = camera
    assert watched.at(0.0) == []
    assert list(watched.poll.problems) == [str(camera)]
    camera.mkdir()
    (camera / "a.jpg").write_bytes(b"a")
    watched.at(1.0)
    assert watched.poll.problems == {}
    assert watched.at(3.0) == ["a.jpg"]


def test_folders_inside_are_read_only_where_that_is_asked_for(tmp_path: Path) -> None:
    inside = tmp_path / "2026" / "may"
    inside.mkdir(parents=True)
    (inside / "a.jpg").write_bytes(b"a")
    (tmp_path / "@eaDir").mkdir()
    (tmp_path / "@eaDir" / "copy.jpg").write_bytes(b"a")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    for recursive, names in ((False, []), (True, ["a.jpg"])):
        watched = Watched(tmp_path, recursive)
        watched.at(0.0)
        assert watched.at(2.0) == names


def test_pipes_links_to_nothing_and_pictures_of_alledge_are_left_out(watched: Watched) -> None:
    if hasattr(os, "mkfifo"):
        os.mkfifo(watched.folder / "pipe.jpg")
    (watched.folder / "link.jpg").symlink_to("nowhere")
    for name in ("a.overlay.jpg", "A.CELLS.JPG", "~$a.doc", ".DS_Store"):
        assert is_ignored(name)
        (watched.folder / name).write_bytes(b"a")
    watched.at(0.0)
    assert watched.at(9.0) == []


def test_what_is_known_of_files_that_are_gone_is_forgotten(watched: Watched) -> None:
    for number in range(100):
        (watched.folder / f"{number}.jpg").write_bytes(b"a")
    watched.at(0.0)
    for path in watched.folder.iterdir():
        path.unlink()
    watched.at(1.0)
    assert watched.poll.waiting == 0
