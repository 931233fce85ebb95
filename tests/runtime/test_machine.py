"""Cores and memory that the process may use: cgroups v1 and v2, hyper-threads, Windows."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from alledge.runtime import machine


def lay(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")
    return root


def test_a_v2_quota_is_read(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}
    assert machine.cpu_quota(lay(tmp_path, files)) == 1.5


def test_the_smallest_quota_of_the_parent_groups_counts(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/a/b\n",
        "sys/fs/cgroup/a/cpu.max": "200000 100000",
        "sys/fs/cgroup/a/b/cpu.max": "max 100000",
    }
    assert machine.cpu_quota(lay(tmp_path, files)) == 2


def test_a_v1_quota_is_read_whatever_the_mount_is_called(tmp_path: Path) -> None:
    for number, mount in enumerate(("cpu,cpuacct", "cpu")):
        files = {
            "proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/docker/abc\n",
            f"sys/fs/cgroup/{mount}/cpu.cfs_quota_us": "300000",
            f"sys/fs/cgroup/{mount}/cpu.cfs_period_us": "100000",
        }
        assert machine.cpu_quota(lay(tmp_path / str(number), files)) == 3


@pytest.mark.parametrize("limit", ["max 100000", "max", "", "nonsense", "100000 0"])
def test_no_limit_is_no_quota(tmp_path: Path, limit: str) -> None:
    files = {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": limit}
    assert machine.cpu_quota(lay(tmp_path, files)) is None


def test_a_v1_group_without_limit_is_no_quota(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "3:cpu:/",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
    }
    assert machine.cpu_quota(lay(tmp_path, files)) is None


def test_a_system_without_cgroups_has_no_quota(tmp_path: Path) -> None:
    assert machine.cpu_quota(tmp_path) is None
    assert machine.memory_mib(tmp_path) is None
    assert not machine.has_little_memory(tmp_path)


def test_half_a_core_still_gives_one_thread(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "50000 100000"}
    assert machine.usable_cores(lay(tmp_path, files)) == 1


def test_hyperthreads_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    for cpu in range(4):
        pair = f"{cpu % 2},{cpu % 2 + 2}\n"
        lay(tmp_path, {f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list": pair})
    assert machine.usable_cores(tmp_path) == 2


def test_only_the_cores_it_is_bound_to_count() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system does not bind processes to cores")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert machine.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_windows_rows_that_are_cores_are_counted() -> None:
    rows = [0, 0, 1, 2, 3, 0]
    table = b"".join(struct.pack("<QIxxxx16x", 3, kind) for kind in rows)
    assert machine.count_core_rows(table, 8) == 3
    narrow = b"".join(struct.pack("<II16x", 3, kind) for kind in rows)
    assert machine.count_core_rows(narrow, 4) == 3


def test_a_containers_memory_limit_counts(tmp_path: Path) -> None:
    files = {
        "proc/meminfo": "MemTotal:       16777216 kB\nMemFree: 1 kB\n",
        "proc/self/cgroup": "0::/",
        "sys/fs/cgroup/memory.max": str(512 * 2**20),
    }
    assert machine.memory_mib(lay(tmp_path, files)) == 512
    assert machine.has_little_memory(tmp_path)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("processor : 0\nflags\t\t: fpu avx512f avx512_vnni\nflags : fpu\n", True),
        ("flags : avx2 avx_vnni", True),
        ("flags : fpu avx2 avx512f", False),
        ("Features : asimd asimddp", False),
    ],
)
def test_a_cpu_with_vnni_is_known_by_its_flags(tmp_path: Path, text: str, found: bool) -> None:
    assert machine.has_vnni(lay(tmp_path, {"proc/cpuinfo": text})) is found
    assert not machine.has_vnni(tmp_path / "nowhere")
