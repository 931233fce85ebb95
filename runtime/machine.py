"""What this process may use of the machine: cores and memory; standard library only.

A container's CPU quota and the cores a process is bound to are what there is, not what the
board has. Hyper-threads share one core's arithmetic, so physical cores are counted.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/")
SMALL_MIB = 4096  # below this much memory, speed gives way to it


def usable_cores(root: Path = ROOT) -> int:
    """Return how many threads can compute at once without standing in each other's way.

    Parameters
    ----------
    root : Path
        Where ``/proc`` and ``/sys`` are; another one in tests.

    Returns
    -------
    int
        At least 1: physical cores this process is bound to, within its cgroup's quota.
    """
    cpus = _bound_cpus()
    cores = _physical(cpus, root)
    quota = cpu_quota(root)
    return max(1, cores if quota is None else min(cores, int(quota)))


def _bound_cpus() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def _physical(cpus: set[int], root: Path) -> int:
    """Return how many physical cores a set of logical ones lies on."""
    if sys.platform == "win32":
        return min(len(cpus), count_windows_cores() or len(cpus))
    cores = set()
    for cpu in cpus:
        siblings = _read(root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.add(siblings or str(cpu))
    return len(cores)


def count_windows_cores() -> int | None:
    """Return the physical cores Windows counts, None where it does not say."""
    kernel = getattr(ctypes, "windll", None)
    if kernel is None:
        return None
    length = ctypes.c_ulong(0)
    kernel.kernel32.GetLogicalProcessorInformation(None, ctypes.byref(length))
    table = ctypes.create_string_buffer(length.value)
    if not kernel.kernel32.GetLogicalProcessorInformation(table, ctypes.byref(length)):
        return None
    return count_core_rows(table.raw, ctypes.sizeof(ctypes.c_void_p)) or None


def count_core_rows(table: bytes, pointer_bytes: int) -> int:
    """Return the rows of a ``SYSTEM_LOGICAL_PROCESSOR_INFORMATION`` table that are cores.

    Parameters
    ----------
    table : bytes
        Rows of a mask (one pointer wide), a relationship (0 is a core), and 16 bytes more.
    pointer_bytes : {4, 8}
    """
    row = 2 * pointer_bytes + 16
    return sum(
        int.from_bytes(table[at + pointer_bytes : at + pointer_bytes + 4], "little") == 0
        for at in range(0, len(table) - row + 1, row)
    )


def cpu_quota(root: Path = ROOT) -> float | None:
    """Return the cores a cgroup (v1 or v2) lets this process use, None where it sets no limit.

    Parameters
    ----------
    root : Path
    """
    quotas = []
    for text in _cgroup_files(root, "cpu.max", "cpu"):
        limit, _, period = text.partition(" ")
        quotas.append(_ratio(limit, period or "100000"))
    limits = _cgroup_files(root, "cpu.cfs_quota_us", "cpu")
    periods = _cgroup_files(root, "cpu.cfs_period_us", "cpu")
    quotas += [_ratio(limit, period) for limit, period in zip(limits, periods, strict=False)]
    return min((quota for quota in quotas if quota is not None), default=None)


def memory_mib(root: Path = ROOT) -> float | None:
    """Return the memory this process may use, in MiB; None where the system does not say.

    Parameters
    ----------
    root : Path
    """
    amounts = []
    for line in (_read(root / "proc/meminfo") or "").splitlines():
        if line.startswith("MemTotal:") and line.split()[1].isdigit():
            amounts.append(int(line.split()[1]) / 1024)
    for name in ("memory.max", "memory.limit_in_bytes"):
        texts = _cgroup_files(root, name, "memory")
        amounts += [int(text) / 2**20 for text in texts if text.isdigit()]
    return min(amounts, default=None)


def is_small(root: Path = ROOT) -> bool:
    """Return whether memory is scarce enough here to be spared at the price of speed."""
    amount = memory_mib(root)
    return amount is not None and amount < SMALL_MIB


def has_vnni(root: Path = ROOT) -> bool:
    """Return whether this x86 CPU sums int8 products without saturating; False where unknown.

    Parameters
    ----------
    root : Path
    """
    text = _read(root / "proc/cpuinfo") or ""
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "").split()
    return not {"avx512_vnni", "avx_vnni"}.isdisjoint(flags)


def _ratio(limit: str, period: str) -> float | None:
    if not limit.isdigit() or not period.isdigit() or int(period) == 0:
        return None  # "max" (v2) and "-1" (v1) set no limit
    return int(limit) / int(period)


def _cgroup_files(root: Path, name: str, controller: str) -> Iterator[str]:
    """Yield what a control file says, in this process' group and in every group above it."""
    lines = (_read(root / "proc/self/cgroup") or "").splitlines()
    for mount, group in _groups(lines, controller):
        folder = PurePosixPath(group.lstrip("/"))
        for level in (folder, *folder.parents):
            text = _read(root / "sys/fs/cgroup" / mount / level / name)
            if text:
                yield text


def _groups(lines: Iterable[str], controller: str) -> Iterator[tuple[str, str]]:
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if not controllers:  # v2: one tree for all
            yield "", group
        elif controller in controllers.split(","):
            yield from ((mount, group) for mount in dict.fromkeys((controllers, controller)))


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip() or None
    except (OSError, ValueError):
        return None
