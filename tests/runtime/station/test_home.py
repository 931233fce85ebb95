"""The folder of the workstation: where it is, and that it is no network disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from alledge.errors import UsageError
from alledge.runtime.station import home as home_module
from alledge.runtime.station import network_disks
from alledge.runtime.station.home import station_home
from alledge.runtime.station.locks import folder_lock
from alledge.runtime.station.network_disks import (
    file_system_of,
    is_network_type,
    network_disk,
    parse_linux_mounts,
)

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
//server/share /mnt/camera cifs rw 0 0
server:/x /mnt/camera\\040two nfs4 rw 0 0
me@host:/ /mnt/ssh fuse.sshfs rw 0 0
/dev/sdb1 /mnt/camera/local ext4 rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind", "network"),
    [
        ("/home/me", "ext4", False),
        ("/mnt/camera", "cifs", True),
        ("/mnt/camera/a/b", "cifs", True),
        ("/mnt/camera two/a", "nfs4", True),
        ("/mnt/camera/local/a", "ext4", False),
        ("/mnt/cameraman", "ext4", False),
        ("/mnt/ssh/x", "fuse.sshfs", True),
    ],
)
def test_the_innermost_mount_tells_the_file_system(path: str, kind: str, network: bool) -> None:
    assert file_system_of(path, parse_linux_mounts(MOUNTS)) == kind
    assert is_network_type(kind) == network


def test_a_path_without_a_mount_is_taken_for_local(tmp_path: Path) -> None:
    assert file_system_of("/a", []) is None
    assert network_disk(tmp_path) is None


def test_a_home_on_a_network_disk_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home_module, "network_disk", lambda path: "nfs4")
    with pytest.raises(UsageError, match="network disk \\(nfs4\\)") as caught:
        station_home(tmp_path)
    assert "--home" in str(caught.value)


@pytest.mark.skipif(not Path("/proc/self/mounts").exists(), reason="Linux")
def test_linux_reads_its_own_table_of_mounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mounts"
    table.write_text(f"x {tmp_path} nfs4 rw 0 0\n", encoding="utf-8")
    monkeypatch.setattr(network_disks, "MOUNTS", table)
    assert network_disk(tmp_path / "a") == "nfs4"
    assert network_disk(tmp_path.parent) is None


def test_the_option_comes_before_the_variable_and_the_variable_before_the_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLEDGE_HOME", str(tmp_path / "variable"))
    assert station_home(tmp_path / "option") == tmp_path / "option"
    assert station_home() == tmp_path / "variable"
    monkeypatch.delenv("ALLEDGE_HOME")
    for name in ("HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "data"))
    assert station_home().name == "alledge-station"
    assert tmp_path in station_home().parents
    if os.name == "posix":
        assert (tmp_path / "option").stat().st_mode & 0o077 == 0


def test_a_home_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="cannot be created") as caught:
        station_home(tmp_path / "file" / "home")
    assert "--home" in str(caught.value)


def test_one_process_at_a_time_has_the_lock_of_a_folder(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (tmp_path / "camera").mkdir()
    one = folder_lock(home, tmp_path / "camera")
    two = folder_lock(home, tmp_path / "x" / ".." / "camera")
    assert one.acquire()
    assert one.acquire()
    assert not two.acquire()
    one.release()
    assert two.acquire()
    two.release()
