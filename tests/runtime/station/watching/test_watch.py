"""``alledge watch`` as a process: each image once, whatever the camera and the machine do."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.sites.profile import site_folder
from alledge.runtime.station.history.entries import Entry
from alledge.runtime.station.history.queries import EntryQuery
from alledge.runtime.station.history.store import History
from alledge.runtime.station.history.verification import verify_history
from support.site_profiles import write_profile

ALLEDGE = (sys.executable, "-m", "alledge")
KILLS = int(os.environ.get("ALLEDGE_KILLS", "10"))
TIMEOUT_S = 120


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """The folder that the camera software writes to."""
    folder = tmp_path / "camera"
    folder.mkdir()
    return folder


def picture(path: Path, seed: int) -> Path:
    """Write a small image whose content depends on the seed."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    small.resize((160, 120), Image.Resampling.BICUBIC).save(path)
    return path


def command(camera: Path, home: Path, bundle: Path, *options: str) -> list[str]:
    words = ["watch", str(camera), "--home", str(home), "--bundle", str(bundle), *options]
    return [*ALLEDGE, *words, "--settle", "0.1", "--interval", "0.05", "--backend", "onnx"]


def once(camera: Path, home: Path, bundle: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(camera, home, bundle, "--once", *options),
        capture_output=True, encoding="utf-8", timeout=TIMEOUT_S, check=False,
    )  # fmt: skip


@contextmanager
def watching(camera: Path, home: Path, bundle: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command(camera, home, bundle, "--json"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(process: subprocess.Popen[str], name: str) -> list[dict[str, object]]:
    """Read rows until one of this name comes."""
    assert process.stdout is not None
    rows: list[dict[str, object]] = []
    while not rows or rows[-1]["name"] != name:
        line = process.stdout.readline()
        assert line, "the process ended"
        rows.append(json.loads(line))
    return rows


def entries(home: Path) -> list[Entry]:
    with History(home) as history:
        assert verify_history(history)["problems"] == []
        return history.entries(EntryQuery(limit=None, newest_first=False))


def test_once_works_off_what_is_there_and_a_second_time_does_nothing(
    camera: Path, home: Path, bundle: Path
) -> None:
    for number in range(5):
        picture(camera / f"{number}.png", number)
    shutil.copy(camera / "0.png", camera / "copy of 0.png")
    done = once(camera, home, bundle)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 5
    assert "5 new, 1 known already" in done.stderr
    again = once(camera, home, bundle)
    assert (again.returncode, again.stdout) == (0, "")
    assert "0 new, 6 known already" in again.stderr
    moved = camera.rename(camera.with_name("remounted"))
    os.utime(moved / "1.png", (1, 1))
    assert "0 new, 6 known already" in once(moved, home, bundle).stderr
    assert len(entries(home)) == 5


def test_what_is_no_image_is_recorded_once_with_the_reason(
    camera: Path, home: Path, bundle: Path
) -> None:
    whole = picture(camera / "good.png", 1).read_bytes()
    picture(camera / "x.jpg", 2)
    half = (camera / "x.jpg").read_bytes()
    (camera / "half.jpg").write_bytes(half[: len(half) // 2])
    (camera / "x.jpg").unlink()
    (camera / "zeros.png").write_bytes(bytes(5000))
    (camera / "empty.png").write_bytes(b"")
    (camera / "notes.txt").write_text("smear 12", encoding="utf-8")
    (camera / "slide.png.part").write_bytes(whole[:50])
    (camera / "Thumbs.db").write_bytes(b"x")
    (camera / ".hidden.png").write_bytes(whole)
    for _ in range(2):
        done = once(camera, home, bundle)
        assert done.returncode == 1
        assert "4 unreadable, 1 no pictures" in done.stderr
    rows = {entry.name.name: entry for entry in entries(home) if entry.name}
    assert set(rows) == {
        "good.png", "half.jpg", "zeros.png", "empty.png", "notes.txt", "slide.png.part"
    }  # fmt: skip
    reasons = {name: (row.body or {})["reason"] or "" for name, row in rows.items()}
    assert "damaged" in reasons["half.jpg"] or "truncated" in reasons["half.jpg"]
    assert "zeros" in reasons["zeros.png"]
    assert "empty" in reasons["empty.png"]
    assert reasons["notes.txt"] == "it is a text file"
    assert "half-transferred" in reasons["slide.png.part"]
    assert not any(str(camera) in reason for reason in reasons.values())


def test_a_retake_a_rename_and_a_growing_file_give_one_result_each(
    camera: Path, home: Path, bundle: Path
) -> None:
    with watching(camera, home, bundle) as process:
        picture(camera / "slide.png", 1)
        wait_for(process, "slide.png")
        picture(camera / "slide.png", 2)  # a retake under the same name
        wait_for(process, "slide.png")
        hidden = picture(camera / ".slide.tmp.png", 3)
        hidden.rename(camera / "renamed.png")
        wait_for(process, "renamed.png")
        (camera / "renamed.png").rename(camera / "renamed again.png")
        whole = picture(camera / ".grows.png", 4).read_bytes()
        for end in range(0, len(whole), len(whole) // 20):
            (camera / "grows.png").write_bytes(whole[:end])
        (camera / "grows.png").write_bytes(whole)
        wait_for(process, "grows.png")
        picture(camera / "last.png", 5)
        wait_for(process, "last.png")
    results = [entry for entry in entries(home) if entry.kind == "result"]
    names = Counter(entry.name.name for entry in results if entry.name)
    assert names == {"slide.png": 2, "renamed.png": 1, "grows.png": 1, "last.png": 1}


def test_killed_at_random_moments_it_loses_nothing_and_does_nothing_twice(
    camera: Path, home: Path, bundle: Path
) -> None:
    rng, files = random.Random(7), 4 * KILLS + 8
    announced: set[str] = set()
    for number in range(files):
        picture(camera / f"{number:04d}.png", number)
    for _ in range(KILLS):
        with watching(camera, home, bundle) as process:
            assert process.stdout is not None
            for _ in range(rng.randrange(4)):
                line = process.stdout.readline()
                announced.add(json.loads(line)["content"])
            time.sleep(rng.random() / 100)
            process.kill()
            lines = process.stdout.read().splitlines(keepends=True)
            announced |= {json.loads(row)["content"] for row in lines if row.endswith("\n")}
    done = once(camera, home, bundle)
    assert done.returncode == 0, done.stderr
    contents = [entry.content for entry in entries(home)]
    assert len(contents) == len(set(contents)) == files
    assert announced <= set(contents)


def test_two_watchers_of_one_folder_do_nothing_twice(
    camera: Path, home: Path, bundle: Path
) -> None:
    with watching(camera, home, bundle) as first:
        picture(camera / "0.png", 0)
        wait_for(first, "0.png")
        busy = once(camera, home, bundle)
        assert busy.returncode == 1
        assert "another process watches it" in busy.stderr
        with watching(camera, home, bundle) as second:
            assert second.stderr is not None
            while "another process watches it" not in second.stderr.readline():
                pass
            for number in range(1, 10):
                picture(camera / f"{number}.png", number)
            wait_for(first, "9.png")
            first.kill()
            picture(camera / "10.png", 10)
            wait_for(second, "10.png")
    once(camera, home, bundle)  # files that appeared earlier come after later ones
    contents = [entry.content for entry in entries(home)]
    assert len(contents) == len(set(contents)) == 11


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_it_cleanly(
    camera: Path, home: Path, bundle: Path, name: str, code: int
) -> None:
    with watching(camera, home, bundle) as process:
        picture(camera / "a.png", 1)
        wait_for(process, "a.png")
        process.send_signal(getattr(signal, name))
        assert process.wait(TIMEOUT_S) == code
        assert process.stderr is not None
        assert process.stderr.read().splitlines()[-1] in ("interrupted", "terminated")
    assert len(entries(home)) == 1


def test_a_damaged_history_ends_it_with_one_error(camera: Path, home: Path, bundle: Path) -> None:
    picture(camera / "a.png", 1)
    (home / "history.sqlite3").write_bytes(b"no database" * 1000)
    done = once(camera, home, bundle)
    assert done.returncode == 1
    assert "damaged" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_folders_are_refused(camera: Path, home: Path, bundle: Path) -> None:
    file = picture(camera / "a.png", 1)
    for folder, said in ((file, "is a file"), (camera / "typo", "there is no folder"), (home, "")):
        done = once(folder, home, bundle)
        assert done.returncode == 2
        assert said in done.stderr
        assert "fix: " in done.stderr


def test_a_site_is_used_and_recorded(camera: Path, home: Path, bundle: Path) -> None:
    picture(camera / "0.png", 0)
    assert once(camera, home, bundle, "--site", "room-3").returncode == 2
    profile = write_profile(site_folder("room-3", home), Bundle.open(bundle))
    done = once(camera, home, bundle, "--site", "room-3")
    assert done.returncode == 0, done.stderr
    [entry] = entries(home)
    assert entry.site == profile.digest
    assert entry.record is not None
    assert entry.record["site"] == "room-3@1"
