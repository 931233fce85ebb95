"""Files are written atomically: after a failure or a power cut, the old file is there."""

import os
from pathlib import Path

import pytest

from alledge.runtime.files import replace_file, write_json


def test_the_content_is_on_the_disk_before_the_file_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, flush, standing = tmp_path / "a.json", os.fsync, []
    path.write_text("old", encoding="utf-8")

    def record_fsync(handle: int) -> None:
        standing.append(path.read_text(encoding="utf-8"))
        flush(handle)

    monkeypatch.setattr(os, "fsync", record_fsync)
    write_json(path, 1)
    assert standing[0] == "old"
    assert standing[1:] == (["1\n"] if os.name == "posix" else [])
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_failure_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old", encoding="utf-8")

    def fail() -> None:
        with replace_file(path) as beside:
            beside.write_text("half", encoding="utf-8")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text(encoding="utf-8") == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
