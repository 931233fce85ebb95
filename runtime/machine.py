"""The cores and the memory that this process may use; standard library only.

A container's CPU quota and the CPU affinity of the process count, not the cores of the board.
Hyper-threads share the arithmetic units of a core, so physical cores are counted.
"""

from __future__ import annotations

import ctypes
import operator
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from ..errors import UsageError

ROOT = Path("/")
THREADS_PER_CORE = 4
SMALL_MIB = 4096  # with less, saving memory is preferred to speed


def usable_cores(root: Path = ROOT) -> int:
    """Return how many threads can compute at once without sharing a core.

    Parameters
    ----------
    root : Path
        The folder of ``proc`` and ``sys``; another one in tests.

    Returns
    -------
    int
        At least 1: the physical cores in the affinity of the process, within the cgroup's quota.
    """
    cores = _count_physical_cores(_cpu_affinity(), root)
    quota = cpu_quota(root)
    return max(1, cores if quota is None else min(cores, int(quota)))


def max_threads() -> int:
    """Return the largest number of threads that may be asked for: four for each logical core."""
    return THREADS_PER_CORE * (os.cpu_count() or 1)


def validate_threads(threads: object) -> int:
    """Return a number of threads.

    Parameters
    ----------
    threads : int
        From 1 to `max_threads`. More would only need memory.

    Raises
    ------
    UsageError
        If it is something else.
    """
    allowed = max_threads()
    if isinstance(threads, bool) or not hasattr(threads, "__index__"):
        problem = f"{threads!r} is not a number of threads"
    elif 1 <= (number := operator.index(threads)) <= allowed:
        return number
    else:
        problem = f"{threads} threads cannot compute here"
    raise UsageError(problem, allowed=f"1 to {allowed}", fix=f"--threads {usable_cores()}")


def _cpu_affinity() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def _count_physical_cores(cpus: set[int], root: Path) -> int:
    """Return the number of physical cores that a set of logical cores belongs to."""
    if sys.platform == "win32":
        return min(len(cpus), count_windows_cores() or len(cpus))
    cores = set()
    for cpu in cpus:
        siblings = _read(root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.add(siblings or str(cpu))
    return len(cores)


def count_windows_cores() -> int | None:
    """Return the number of physical cores according to Windows; None if it is unknown."""
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
    """Return the number of cores in a ``SYSTEM_LOGICAL_PROCESSOR_INFORMATION`` table.

    Parameters
    ----------
    table : bytes
        Each row has a mask (of pointer size), a relationship (0 means core), and 16 more bytes.
    pointer_bytes : {4, 8}
    """
    row = 2 * pointer_bytes + 16
    return sum(
        int.from_bytes(table[at + pointer_bytes : at + pointer_bytes + 4], "little") == 0
        for at in range(0, len(table) - row + 1, row)
    )


def cpu_quota(root: Path = ROOT) -> float | None:
    """Return the number of cores in the cgroup quota (v1 or v2); None without a limit.

    Parameters
    ----------
    root : Path
    """
    quotas = []
    for text in cgroup_files(root, "cpu.max", "cpu"):
        limit, _, period = text.partition(" ")
        quotas.append(_ratio(limit, period or "100000"))
    limits = cgroup_files(root, "cpu.cfs_quota_us", "cpu")
    periods = cgroup_files(root, "cpu.cfs_period_us", "cpu")
    quotas += [_ratio(limit, period) for limit, period in zip(limits, periods, strict=False)]
    return min((quota for quota in quotas if quota is not None), default=None)


def memory_mib(root: Path = ROOT) -> float | None:
    """Return the memory that this process may use, in MiB; None if it is unknown.

    Parameters
    ----------
    root : Path
    """
    amounts = []
    for line in (_read(root / "proc/meminfo") or "").splitlines():
        if line.startswith("MemTotal:") and line.split()[1].isdigit():
            amounts.append(int(line.split()[1]) / 1024)
    for name in ("memory.max", "memory.limit_in_bytes"):
        texts = cgroup_files(root, name, "memory")
        amounts += [int(text) / 2**20 for text in texts if text.isdigit()]
    return min(amounts, default=None)


def has_little_memory(root: Path = ROOT) -> bool:
    """Return whether there is so little memory that saving it is preferred to speed."""
    amount = memory_mib(root)
    return amount is not None and amount < SMALL_MIB


def has_vnni(root: Path = ROOT) -> bool:
    """Return whether this x86 CPU adds int8 products without saturating; False if unknown.

    Parameters
    ----------
    root : Path
    """
    return not {"avx512_vnni", "avx_vnni"}.isdisjoint(cpu_flags(root))


def cpu_flags(root: Path = ROOT) -> frozenset[str]:
    """Return the instruction sets of the CPU, as /proc/cpuinfo spells them; empty without it.

    Parameters
    ----------
    root : Path
    """
    for line in (_read(root / "proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):  # x86 and Arm
            return frozenset(value.split())
    return frozenset()


def cpu_description(root: Path = ROOT) -> str:
    """Return the model and the features of the CPU, as the system names them.

    Parameters
    ----------
    root : Path
    """
    rows = (_read(root / "proc/cpuinfo") or "").partition("\n\n")[0].splitlines()
    wanted = ("model name", "flags", "Features", "CPU part")  # x86 and Arm
    return "; ".join(row for row in rows if row.startswith(wanted)) or platform.processor()


def _ratio(limit: str, period: str) -> float | None:
    if not limit.isdigit() or not period.isdigit() or int(period) == 0:
        return None  # "max" (v2) and "-1" (v1) set no limit
    return int(limit) / int(period)


def cgroup_files(root: Path, name: str, controller: str) -> Iterator[str]:
    """Yield the content of a control file of this process' cgroup and of each parent."""
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
        if not controllers:  # v2 has one tree for all controllers
            yield "", group
        elif controller in controllers.split(","):
            yield from ((mount, group) for mount in dict.fromkeys((controllers, controller)))


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip() or None
    except (OSError, ValueError):
        return None
