"""Outputs of commands: published whole, under a name that nothing has."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alledge.errors import AlledgeError, UsageError
from alledge.runtime.outputs import check_folder, check_outputs, output_file, write_outputs

RACE = """
import sys
from pathlib import Path
from alledge.runtime.outputs import output_file
with output_file(Path(sys.argv[1])) as temporary:
    temporary.write_text(sys.argv[2], encoding="utf-8")
    print("ready", flush=True)
    sys.stdin.readline()
"""


def test_of_two_processes_with_the_same_output_one_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(path), text],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        for text in ("first", "second")
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    (_, first_error), (_, second_error) = [process.communicate("go\n") for process in processes]
    assert [process.returncode for process in processes] == [0, 1]
    assert first_error == ""
    assert "exists already" in second_error
    assert path.read_text(encoding="utf-8") == "first"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, OSError])
def test_a_failure_leaves_no_file(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with output_file(tmp_path / "a.txt") as temporary:
            temporary.write_text("half", encoding="utf-8")
            raise error

    with pytest.raises(AlledgeError if error is OSError else error):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EMLINK])
def test_a_file_system_without_hard_links_is_written_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    write_outputs({tmp_path / "a.txt": "new"})
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "new"
    with pytest.raises(UsageError, match="exists already"):
        write_outputs({tmp_path / "a.txt": "newer"})
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "new"


def test_several_files_are_written_together_or_not(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("the user's", encoding="utf-8")
    with pytest.raises(UsageError, match="exists already"):
        write_outputs({tmp_path / "a": "1", tmp_path / "b": "2", tmp_path / "c": "3"})
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    write_outputs({tmp_path / "a": "1", tmp_path / "b": "2"}, force=True)
    assert (tmp_path / "b").read_text(encoding="utf-8") == "2"


def test_text_that_is_no_unicode_is_escaped(tmp_path: Path) -> None:
    write_outputs({tmp_path / "a": "\udce4"})
    assert (tmp_path / "a").read_text(encoding="utf-8") == "\\udce4"


@pytest.mark.skipif(os.name != "posix", reason="no such modes")
def test_a_mode_is_set_before_anything_is_written(tmp_path: Path) -> None:
    with output_file(tmp_path / "secret", mode=0o600) as temporary:
        assert temporary.stat().st_mode & 0o077 == 0
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "file/x"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot be written"):
        check_outputs([tmp_path / name])


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no devices here")
def test_a_device_is_refused() -> None:
    with pytest.raises(UsageError, match="device"):
        check_outputs([Path("/dev/null")], force=True)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no /proc here")
def test_a_folder_that_not_even_root_can_write_is_refused() -> None:
    with pytest.raises(UsageError, match=r"the folder /proc cannot be written"):
        check_outputs([Path("/proc/new/report.html")])
    with pytest.raises(UsageError, match=r"the folder /proc cannot be written"):
        check_folder(Path("/proc/new"))


def test_names_that_are_one_file_elsewhere_are_refused(tmp_path: Path) -> None:
    for names in (("a.html", "A.HTML"), ("caf\u00e9", "cafe\u0301")):
        with pytest.raises(UsageError, match="two outputs"):
            check_outputs([tmp_path / name for name in names])


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    check_outputs([tmp_path / "new" / "a"])
    check_folder(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
